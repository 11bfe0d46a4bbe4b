internal import Glibc
internal import PrivateFiles
internal import VaultAPI
internal import VaultCrypto

/// Where a lease is held: 8 bytes for the boot that the boot-time clock counts from, 8 for the file that is locked.
///
/// Of two that lock the same file, one holds the lease; of two that do not, each does.
package struct LeasePlace {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(of vault: Vault) {
        var hash = Blake2b(length: 8)
        hash.update("vault lease place")
        // The file and not its path: containers may have one path for different files.
        if let status = try? FileStatus.of("\(vault.location.state(of: vault.id))/leases") {
            hash.update(Array("\(status.device) \(status.inode)".utf8))
        }
        bytes = Self.boot.prefix(8) + hash.finish()
    }

    /// Whether it is on this machine, since this boot, and its lock is another.
    package func isElsewhere(from other: LeasePlace) -> Bool {
        bytes.prefix(8) == other.bytes.prefix(8) && bytes != other.bytes
    }

    private static let boot: [UInt8] = {
        let none = [UInt8](repeating: 0, count: 16)
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "re") else { return none }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 37)
        guard fgets(&text, 37, file) != nil else { return none }
        let line = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return EntryID(text: line)?.bytes ?? none
    }()
}
