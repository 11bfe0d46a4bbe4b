internal import FoundationEssentials
public import VaultStorage

extension EtcdStore {
    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        var found: [StoredRecord] = []
        var revision: UInt64?
        var pace = revisions.pace
        var first = id.map { keys.record($0) + [0] } ?? keys.records.first
        while found.count < limit {
            let wanted = min(pace.step, limit - found.count)
            let end = pace.end(of: wanted, from: first, keys)
            let request = RangeRequest(
                key: first,
                end: end,
                limit: WholeNumber(UInt64(wanted)),
                revision: revision.map(WholeNumber.init)
            )
            let answer: RangeAnswer
            do throws(StoreError) {
                answer = try await client.ask("kv/range", request).message
            } catch {
                guard (error.underlying as? EtcdRefusal)?.isAnswerTooLarge == true, pace.step > 1 else { throw error }
                pace.step = max(1, pace.step / 8)
                continue
            }
            let page = answer.kvs ?? []
            for item in page {
                guard let key = item.key, key.lexicographicallyPrecedes(end), let next = keys.recordID(key),
                    (found.last?.id ?? id).map({ $0 < next }) ?? true
                else {
                    throw damaged("gave other keys than it was asked for")
                }
                if let record = try await record(next, item, at: answer.header?.revision) { found.append(record) }
            }
            if first == keys.records.first { pace.count = answer.count?.value }
            pace.look(at: page)
            if answer.more == true, let last = page.last?.key {
                first = last + [0]
            } else if end != keys.records.end {
                first = end
            } else {
                break
            }
            // The rest as it was then: each call is consistent in itself.
            guard let at = answer.header?.revision else { throw damaged("gave an answer of no revision") }
            revision = revision ?? at.value
        }
        revisions.pace = pace
        return Array(found.prefix(limit))
    }
}

/// How much is asked for at once.
///
/// What one answer may hold is a matter of bytes, which a question cannot say, and the member makes all of it before it
/// sends the first; so it is asked for more only where records have shown to be small. And for each question the member
/// counts all keys up to its end, so that of a large store only the part is asked for in which the next records must be:
/// ids are spread evenly.
struct Pace: Sendable {
    /// How many records.
    var step = 16
    /// How many there were in all; `nil` as long as that is not known.
    var count: UInt64?

    /// Ids are told apart here by their first two bytes.
    private static let space = 1 << 16
    /// So that a member that tells of more records than there are cannot have many questions asked.
    private static let mostParts = 1024
    /// Counting so many is nothing.
    private static let least: UInt64 = 4096
    private static let most: UInt64 = 1 << 40

    /// The key before which the next `wanted` records are to be expected, from the key `first` on.
    func end(of wanted: Int, from first: Data, _ keys: EtcdKeys) -> Data {
        guard let count, count > Self.least, let begin = keys.beginning(of: first) else { return keys.records.end }
        let part = max(Self.space / Self.mostParts, Self.space / Int(min(count, Self.most) / UInt64(2 * wanted) + 1))
        let end = begin + part + 1
        return end < Self.space ? keys.records(from: end) : keys.records.end
    }

    /// Looks at what has come.
    mutating func look(at page: [KeyValue]) {
        let bytes = page.reduce(0) { $0 + ($1.value?.count ?? 0) }
        if !page.isEmpty, bytes < 1 << 20 { step = min(step * 4, 256) }
    }
}
