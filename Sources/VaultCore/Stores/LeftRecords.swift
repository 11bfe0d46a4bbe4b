internal import PrivateFiles
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// The records of a store as they were when the vault left it, so that what comes there later is told from them.
///
/// A directory goes on being synchronised, and a machine that has not heard of the move goes on writing it.
///
/// ```
/// <state>/left-<hash of the address>    0600   for each record its id (32) and a hash of its sealed bytes (16)
/// ```
struct LeftRecords {
    private static let hashLength = 16

    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count / (RecordID.length + Self.hashLength) }

    mutating func append(_ record: StoredRecord) { bytes += Self.line(record) }

    /// Remembers them; where that is not possible, generations must do.
    func write(for address: StoreAddress, in state: String) {
        do throws(FileError) {
            try PrivateFiles.makeDirectory(state)
            let file = try NewFile(for: Self.path(address, state))
            try file.write(bytes)
            try file.publish(replacing: true)
        } catch {}
    }

    static func forget(_ address: StoreAddress, in state: String) { try? PrivateFiles.remove(path(address, state)) }

    /// Whether a record is one of those that were there; `nil` where nobody has remembered.
    static func lookUp(_ address: StoreAddress, in state: String) -> ((StoredRecord) -> Bool)? {
        guard let file = try? PrivateFiles.open(path(address, state)), let size = try? file.status().size,
            let bytes = try? file.read(upTo: Int(size)), bytes.count % line == 0
        else { return nil }
        let known = Set(stride(from: 0, to: bytes.count, by: line).map { Array(bytes[$0..<$0 + line]) })
        return { known.contains(line($0)) }
    }

    private static let line = RecordID.length + hashLength

    private static func line(_ record: StoredRecord) -> [UInt8] {
        record.id.bytes + hash(record.sealed)
    }

    private static func path(_ address: StoreAddress, _ state: String) -> String {
        "\(state)/left-\(hexadecimal(hash(Array("\(address)".utf8))))"
    }

    private static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = Blake2b(length: hashLength)
        hash.update(bytes)
        return hash.finish()
    }
}
