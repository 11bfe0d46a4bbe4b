internal import KeyCustody
internal import PrivateFiles
public import VaultAPI
public import VaultCrypto
internal import VaultStorage

/// A vault in one file, under a passphrase of its own.
///
///     magic            8   "VAULTBAK"
///     version          2   1
///     header length    4
///     header               as in a vault: one passphrase slot, a fresh data key, the vault's UUID
///     records, each
///       marker         1   1
///       generation     8
///       length         4
///       sealed             as in a vault
///     marker           1   0
///     count            8   of the records
///     MAC             32   keyed BLAKE2b-256 over all before it
///
/// A record cut out, a file cut short, or a byte changed is noticed before anything is restored. `Schemas/backup.json`
/// says the same as data.
enum Backup {
    static let magic = Array("VAULTBAK".utf8)
    static let version: UInt16 = 1
    static let macBytes = 32

    /// Writes the file piece by piece, and the MAC over it.
    struct Writer: ~Copyable {
        private let file: NewFile
        private var mac: Blake2b

        init(_ file: consuming NewFile, mac: consuming Blake2b) {
            self.file = file
            self.mac = mac
        }

        mutating func write(_ bytes: [UInt8]) throws(FileError) {
            mac.update(bytes)
            try file.write(bytes)
        }

        consuming func finish() throws(FileError) {
            try file.write(mac.finish())
            try file.publish()
        }
    }

    /// Reads the file piece by piece.
    struct Reader: ~Copyable {
        private let file: Descriptor
        private var position = 0
        private let path: String

        init(_ path: String) throws(VaultError) {
            self.init(try Self.opened(path), path)
        }

        private init(_ file: consuming Descriptor, _ path: String) {
            self.file = file
            self.path = path
        }

        private static func opened(_ path: String) throws(VaultError) -> Descriptor {
            do throws(FileError) {
                let file = try Descriptor.open(path)
                let status = try file.status()
                guard status.kind == .regular else {
                    throw FileError(.unsafe, path, "is \(status.kind.rawValue), expected a backup file")
                }
                return file
            } catch {
                throw VaultError(error)
            }
        }

        /// The next `count` bytes.
        ///
        /// - Throws: `.damaged` where the file ends before.
        mutating func read(_ count: Int) throws(VaultError) -> [UInt8] {
            guard count <= RecordLimits.recordBytes else { throw damage("has an impossible length") }
            let bytes: [UInt8]
            do throws(FileError) { bytes = try file.read(upTo: count) } catch { throw VaultError(error) }
            guard bytes.count == count else { throw damage("is cut short") }
            position += count
            return bytes
        }

        mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type) throws(VaultError) -> Integer {
            var reader = ByteReader(try read(MemoryLayout<Integer>.size))
            guard let value = reader.integer(type) else { preconditionFailure("VaultCore: an integer of no size") }
            return value
        }

        /// Whether nothing follows.
        borrowing func isAtEnd() throws(VaultError) -> Bool {
            do throws(FileError) { return try file.status().size == Int64(position) } catch { throw VaultError(error) }
        }

        func damage(_ what: String) -> VaultError {
            VaultError(
                .damaged,
                "\(path): the backup \(what); nothing was restored",
                hint: "use another copy of it; vault export FILE makes one"
            )
        }
    }
}

extension Vault {
    /// Writes every record into a backup file that must not exist.
    ///
    /// - Returns: How many entries are in it.
    /// - Throws: `.damaged` if a record cannot be read, with no file made.
    public func export(
        to path: String,
        passphrase: SharedSecret,
        derivation: PasswordHash = .moderate
    ) async throws(VaultError) -> Int {
        try await attempt { session in
            let key = try DataKey.random()
            let description = SlotDescription(newOf: .passphrase, derivation: derivation)
            let root = try self.custodians.passphrase.enroll(description, using: passphrase)
            let now = self.clock.now
            let slot = try key.wrap(under: root, as: description, vault: self.id, createdAt: now, path: "")
            let header = Header(vault: self.id, generation: 1, createdAt: now.seconds, slots: [slot])
            let encoded = header.encoded(under: key)
            var head = ByteWriter()
            head.append(Backup.magic)
            head.append(Backup.version)
            head.append(UInt32(encoded.count))
            head.append(encoded)
            var writer = Backup.Writer(try NewFile(for: path), mac: try key.backupMAC())
            try writer.write(head.bytes)
            var (records, entries) = (UInt64(0), 0)
            // A rename between the two passes would leave an entry out: if anything changed, all of it is done again.
            let counter = try await self.store.changeCounter()
            // Names first, then each record on its own: a page of a large vault would not fit into memory twice.
            var names: [RecordName] = []
            var faults = Listing()
            try await self.walk(session) {
                if !$0.name.isAudit { names.append($0.name) }
            } fault: {
                faults.faults.append($0)
            }
            try faults.requireSound()
            for name in names {
                guard let found = try await self.locate(name, session) else { continue }
                let raw = try self.openRaw(found)
                let record = try raw.sealed(as: raw.binding, under: key)
                var bytes = ByteWriter()
                bytes.append(UInt8(1))
                bytes.append(record.generation)
                bytes.append(UInt32(record.sealed.count))
                bytes.append(record.sealed)
                try writer.write(bytes.bytes)
                records += 1
                if name.entry != nil { entries += 1 }
            }
            guard try await self.store.changeCounter() == counter else {
                throw StoreError(.conflict, self.location.directory, "the vault changed while it was exported")
            }
            var tail = ByteWriter()
            tail.append(UInt8(0))
            tail.append(records)
            try writer.write(tail.bytes)
            try writer.finish()
            return entries
        }
    }
}
