internal import PrivateFiles
internal import VaultAPI

/// Which directory this machine knows a vault to be in: the text of `<state>/place`.
///
/// A copy of a vault has the same UUID and the same slots, so its keys are those of the original: the items in the
/// keyring, the key files. Whoever destroys or re-keys a copy must not take them away from the vault in use.
struct VaultPlace {
    private static let longestPath = 4096

    let location: VaultLocation
    let vault: VaultID

    /// The state directory.
    var state: String { location.state(of: vault) }

    private var record: String { state + "/place" }

    /// The directory of the vault that this one is a copy of; `nil` if it is none, as far as this machine knows.
    func original() -> String? {
        guard let known = recorded(), known != location.directory else { return nil }
        var there = location
        there.directory = known
        // Two directories that name one store are two ways to one vault.
        if let here = try? location.storeAddress(), here != .sqlite, here == (try? there.storeAddress()) { return nil }
        guard let known = try? FileStatus.of(there.identityFile), let here = try? FileStatus.of(location.identityFile)
        else { return nil }
        return known.device == here.device && known.inode == here.inode ? nil : there.directory
    }

    /// Remembers the directory, unless another one is remembered and still has a vault.
    ///
    /// Not being able to is no reason not to open a vault: then nothing is known of copies.
    func remember() {
        guard recorded() != location.directory, original() == nil else { return }
        do throws(FileError) {
            // Not synced: losing it costs no more than knowing nothing of copies until the next command.
            let file = try NewFile(for: record)
            try file.write(Array(location.directory.utf8))
            try file.publish(replacing: true, isDurable: false)
        } catch {}
    }

    /// Forgets it.
    func forget() {
        do throws(FileError) { try PrivateFiles.remove(record) } catch {}
    }

    private func recorded() -> String? {
        do throws(FileError) {
            let file = try PrivateFiles.open(record)
            return String(validating: try file.read(upTo: Self.longestPath), as: UTF8.self)
        } catch {
            return nil
        }
    }
}
