internal import Glibc
internal import PrivateFiles
internal import VaultAPI

/// Finds the regular files below a directory, in the order of their names.
///
/// No link is followed: a link leads out of the tree, or around in it.
enum DirectoryWalk {
    /// Deeper than a home directory; a bound for trees that are deep on purpose.
    static let maximumDepth = 32

    /// The files, and how many things below are none or could not be looked at.
    ///
    /// - Throws: The error of the directory itself; what is below it and unreadable is counted.
    static func files(below path: String) throws(VaultError) -> (files: [String], passedOver: Int) {
        var (files, passedOver): ([String], Int) = ([], 0)
        var pending = [(path: path, depth: 0)]
        while let directory = pending.popLast() {
            let names: [String]
            do throws(VaultError) { names = try list(directory.path) } catch {
                guard directory.depth > 0 else { throw error }
                passedOver += 1
                continue
            }
            var below: [String] = []
            for name in names {
                let child = directory.path == "/" ? "/" + name : directory.path + "/" + name
                switch (try? FileStatus.of(child))?.map(\.kind) {
                case .regular: files.append(child)
                case .directory where directory.depth < maximumDepth: below.append(child)
                default: passedOver += 1
                }
            }
            pending += below.reversed().map { ($0, directory.depth + 1) }
        }
        return (files, passedOver)
    }

    /// The names in a directory, sorted by their bytes.
    ///
    /// A name that is not UTF-8 is passed over by its reader.
    private static func list(_ path: String) throws(VaultError) -> [String] {
        guard let directory = opendir(path) else { throw VaultError(FileError.system("list", path)) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
