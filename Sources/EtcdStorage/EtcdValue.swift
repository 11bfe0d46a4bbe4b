internal import FoundationEssentials
internal import VaultStorage

/// What stands under the key of a header or record: eight bytes of the generation, then the bytes.
///
/// The topmost bit of the generation, which none reaches, says that the bytes stand elsewhere: what follows is the name
/// of the body.
struct EtcdValue {
    private static let elsewhere: UInt64 = 1 << 63
    private static let nameLength = 16

    let generation: UInt64
    var bytes: [UInt8]
    /// The name of its body; `nil` where that is here.
    let body: [UInt8]?
    let revision: UInt64
    /// What is wrong with it, where it cannot be read.
    var fault: String?

    static func encode(_ generation: UInt64, body: [UInt8]) -> [UInt8] { encode(generation | elsewhere, body) }

    static func encode(_ generation: UInt64, _ bytes: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: generation.bigEndian) { Array($0) } + bytes
    }

    init(_ found: KeyValue, limit: Int, _ subject: String) throws(StoreError) {
        let value = found.value ?? Data()
        guard value.count >= 8, value.count <= limit + 8, let revision = found.modRevision?.value, revision > 0 else {
            throw StoreError(.damaged, subject, "a value has \(value.count) bytes, expected 8 to \(limit + 8)")
        }
        let number: UInt64 = value.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        generation = number & ~Self.elsewhere
        let rest = [UInt8](value.dropFirst(8))
        let isElsewhere = number & Self.elsewhere != 0
        guard !isElsewhere || rest.count == Self.nameLength else {
            throw StoreError(.damaged, subject, "a value names its body with \(rest.count) bytes")
        }
        (bytes, body) = isElsewhere ? ([], rest) : (rest, nil)
        self.revision = revision
    }

    /// A value that is not of this form; `nil` if it has no revision either.
    init?(broken found: KeyValue, fault: String) {
        guard let revision = found.modRevision?.value, revision > 0 else { return nil }
        generation = 0
        bytes = (found.value ?? Data()).prefix(RecordLimits.recordBytes).map { $0 }
        body = nil
        self.revision = revision
        self.fault = "is damaged: \(fault)"
    }

    /// The record that it is, under the key of that id.
    func record(_ id: RecordID) -> StoredRecord {
        StoredRecord(id: id, generation: generation, sealed: bytes, fault: fault)
    }
}
