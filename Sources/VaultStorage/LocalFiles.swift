internal import Glibc
internal import PrivateFiles

/// What belongs to one vault on this machine beside what has a place of its own: locks, the count of changes, the
/// machine's own bytes, what it has exchanged, what it has left.
package enum LocalFiles {
    private static let names: Set = ["leases", "machine", "directory", "exchanged"]

    /// Removes them from the directory of a vault's locks, once that vault is gone.
    ///
    /// Not being able to leaves files that nothing reads any more.
    package static func remove(from locks: String) {
        let directory = PrivateFiles.withoutTrailingSlashes(locks)
        guard let found = try? PrivateFiles.names(in: directory) else { return }
        for name in found where names.contains(name) || name.hasPrefix("left-") || DirectoryRedo.isName(name) {
            _ = unlink("\(directory)/\(name)")
        }
    }
}
