internal import FoundationEssentials
internal import VaultStorage

/// The keys of one vault in a cluster, all below its prefix.
///
/// - `header`, `record/<id>`: eight bytes of the generation, the first one weighing most, then the bytes.
/// - `body/<id>/<name>`: the bytes of a record that names them, see `EtcdBodies`.
/// - `changes`: who committed last, as 16 random bytes; how often it was written is the change counter.
/// - `taken/<name>`: who holds the lease of that name; bound to a lease of the cluster, so that it goes with its holder.
///   It sorts after the records, so that a watch on all the others is one range and hears nothing of leases.
///
/// Ids and names are in lower-case hexadecimal.
struct EtcdKeys: Sendable {
    private let base: String

    init(prefix: String) { base = prefix.isEmpty ? "" : "\(prefix)/" }

    var header: Data { key("header") }
    var changes: Data { key("changes") }
    /// The keys of all records, and the first key after them.
    var records: (first: Data, end: Data) { (key("record/"), key("record0")) }
    /// All that a watch is about: the header, the records and what counts the changes, and no lease.
    var watched: (first: Data, end: Data) { (changes, records.end) }
    var leases: (first: Data, end: Data) { (key("taken/"), key("taken0")) }

    func record(_ id: RecordID) -> Data { key("record/\(id)") }

    /// The first key that a record can have whose id begins with these two bytes.
    func records(from beginning: Int) -> Data {
        let digits = String(beginning, radix: 16)
        return key("record/" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
    }

    /// The first two bytes of the id that a record's key, or one of `records(from:)`, begins with.
    func beginning(of key: Data) -> Int? {
        Int(String(decoding: key.dropFirst(records.first.count).prefix(4), as: UTF8.self), radix: 16)
    }

    /// Bodies of records that were too much for one request; they sort before all that is watched.
    var bodies: (first: Data, end: Data) { (key("body/"), key("body0")) }

    func body(_ id: RecordID, _ name: [UInt8]) -> Data { key("body/\(id)/\(name.hexadecimal)") }

    func lease(_ name: LeaseName) -> Data { key("taken/\(name.bytes.hexadecimal)") }

    /// The id of a record's key; `nil` for any other key.
    func recordID(_ key: Data) -> RecordID? {
        let first = records.first
        return key.starts(with: first) ? RecordID(hexadecimal: key.dropFirst(first.count)) : nil
    }

    private func key(_ name: String) -> Data { Data((base + name).utf8) }
}

extension [UInt8] {
    var hexadecimal: String {
        map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
    }

    /// Of the system's random generator.
    static func random(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}
