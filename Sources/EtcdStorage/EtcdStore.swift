internal import FoundationEssentials
internal import PrivateFiles
internal import Synchronization
public import VaultAPI
public import VaultStorage

/// A store in an etcd cluster.
///
/// Every write is one transaction that compares the revisions of all it was decided on, the holder's lease included, so
/// that of many machines one is first and the others change nothing. What the cluster sees is sealed.
public final class EtcdStore: RecordStore {
    let client: EtcdClient
    let keys: EtcdKeys
    let revisions: RevisionCache
    let session: EtcdSession
    /// The directory of this machine's own locks.
    let locks: String

    init(_ client: EtcdClient, _ revisions: RevisionCache, _ session: EtcdSession, locks: String) {
        self.client = client
        keys = EtcdKeys(prefix: client.cluster.prefix)
        self.revisions = revisions
        self.session = session
        self.locks = locks
    }

    private convenience init(_ cluster: EtcdCluster, locks: String, clock: VaultClock) throws(StoreError) {
        let client = try EtcdClient(cluster, clock: clock)
        self.init(client, RevisionCache(), EtcdSession(client), locks: locks)
    }

    /// Makes a store with that header and no records.
    ///
    /// - Throws: `.exists` where there is one below the prefix; it is left as it is.
    public static func create(
        in cluster: EtcdCluster,
        locks: String,
        header: StoredHeader,
        clock: VaultClock = VaultClock()
    ) async throws(StoreError) -> EtcdStore {
        let store = try EtcdStore(cluster, locks: locks, clock: clock)
        try RecordLimits.check(header, subject: store.client.subject)
        let mark = [UInt8].random(16)
        let transaction = Transaction(
            compare: [Comparison(store.keys.header, revision: 0)],
            success: [
                .put(store.keys.header, StoredValue.encode(header.generation, header.bytes)),
                .put(store.keys.changes, mark),
            ],
            failure: [.range(store.keys.changes)]
        )
        let answer = try await store.client.ask("kv/txn", transaction, for: TransactionAnswer.self)
        guard answer.message.succeeded != true else { return store }
        let found = answer.message.responses?.first?.range?.kvs?.first?.value
        if answer.mayBeRepeated, found == Data(mark) { return store }
        throw StoreError(
            .exists,
            store.client.subject,
            "there is a vault below this prefix already",
            hint: "name another prefix, or use that vault with: vault store use \(store.client.subject)"
        )
    }

    /// Opens a store.
    ///
    /// - Throws: `.absent` where there is none below the prefix.
    public static func open(
        in cluster: EtcdCluster,
        locks: String,
        clock: VaultClock = VaultClock()
    ) async throws(StoreError) -> EtcdStore {
        let store = try EtcdStore(cluster, locks: locks, clock: clock)
        _ = try await store.state()
        return store
    }

    /// Removes a store and all it holds, and no other key.
    public static func remove(in cluster: EtcdCluster) async throws(StoreError) {
        let client = try EtcdClient(cluster, clock: VaultClock())
        let keys = EtcdKeys(prefix: cluster.prefix)
        let transaction = Transaction(success: [
            .delete(keys.header), .delete(keys.changes),
            .delete(keys.records.first, end: keys.records.end), .delete(keys.leases.first, end: keys.leases.end),
            .delete(keys.bodies.first, end: keys.bodies.end),
        ])
        _ = try await client.ask("kv/txn", transaction, for: TransactionAnswer.self)
    }

    /// The same store, with this machine's locks in another directory.
    public func leasing(in locks: String) -> EtcdStore {
        EtcdStore(client, revisions, session, locks: locks)
    }

    // MARK: - Reading

    /// The header, the change counter and the cluster's revision, at one instant.
    public func state() async throws(StoreError) -> EtcdState {
        let (header, counter, revision) = try await look()
        return EtcdState(
            header: StoredHeader(generation: header.generation, bytes: header.bytes),
            changeCounter: counter,
            revision: revision
        )
    }

    /// The header as it is stored, the change counter and the cluster's revision, at one instant.
    func look() async throws(StoreError) -> (header: StoredValue, counter: UInt64, revision: UInt64) {
        let transaction = Transaction(success: [.range(keys.header), .range(keys.changes)])
        let answer: TransactionAnswer = try await client.ask("kv/txn", transaction).message
        guard let responses = answer.responses, responses.count == 2, let revision = answer.header?.revision else {
            throw damaged("gave no answer to each question")
        }
        guard let found = try one(responses[0].range, keys.header) else {
            throw StoreError(.absent, client.subject, "there is no vault below this prefix")
        }
        let value = try StoredValue(found, limit: RecordLimits.headerBytes, client.subject)
        revisions.remember(header: value)
        guard let counter = try one(responses[1].range, keys.changes)?.version?.value else {
            throw damaged("has a header without its change counter")
        }
        return (value, counter, revision.value)
    }

    /// A record, the change counter and the cluster's revision, at one instant.
    public func look(at id: RecordID) async throws(StoreError) -> EtcdLook {
        let transaction = Transaction(success: [.range(keys.record(id)), .range(keys.changes)])
        let answer: TransactionAnswer = try await client.ask("kv/txn", transaction).message
        guard let responses = answer.responses, responses.count == 2, let revision = answer.header?.revision else {
            throw damaged("gave no answer to each question")
        }
        return EtcdLook(
            record: try await record(id, try one(responses[0].range, keys.record(id)), at: revision),
            changeCounter: try one(responses[1].range, keys.changes)?.version?.value ?? 0,
            revision: revision.value
        )
    }

    /// The header, as it was last committed.
    public func header() async throws(StoreError) -> StoredHeader { try await state().header }

    /// A number that grows with every commit and every replaced header, and never otherwise changes.
    public func changeCounter() async throws(StoreError) -> UInt64 {
        let answer: RangeAnswer = try await client.ask("kv/range", RangeRequest(key: keys.changes)).message
        guard let counter = try one(answer, keys.changes)?.version?.value else {
            throw StoreError(.absent, client.subject, "there is no vault below this prefix")
        }
        return counter
    }

    /// The record filed under `id`, or `nil` if there is none.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        try await value(id).map { StoredRecord(id: id, generation: $0.generation, sealed: $0.bytes) }
    }

    /// What stands under a record's key.
    func value(_ id: RecordID) async throws(StoreError) -> StoredValue? {
        let answer: RangeAnswer = try await client.ask("kv/range", RangeRequest(key: keys.record(id))).message
        return try await value(id, try one(answer, keys.record(id)), at: answer.header?.revision)
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        var found: [StoredRecord] = []
        var revision: UInt64?
        // What one answer may hold is a matter of bytes, which the question cannot say. The member makes all of it before
        // it sends the first, so it is asked for more only where the records have shown to be small.
        var step = 16
        var first = id.map { keys.record($0) + [0] } ?? keys.records.first
        while found.count < limit {
            let request = RangeRequest(
                key: first,
                end: keys.records.end,
                limit: WholeNumber(UInt64(min(step, limit - found.count))),
                revision: revision.map(WholeNumber.init)
            )
            let answer: RangeAnswer
            do throws(StoreError) {
                answer = try await client.ask("kv/range", request).message
            } catch {
                guard (error.underlying as? EtcdRefusal)?.isAnswerTooLarge == true, step > 1 else { throw error }
                step = max(1, step / 8)
                continue
            }
            let page = answer.kvs ?? []
            for item in page {
                guard let key = item.key, let next = keys.recordID(key),
                    (found.last?.id ?? id).map({ $0 < next }) ?? true
                else {
                    throw damaged("gave other keys than it was asked for")
                }
                if let record = try await record(next, item, at: answer.header?.revision) { found.append(record) }
            }
            if page.reduce(0, { $0 + ($1.value?.count ?? 0) }) < 1 << 20 { step = min(step * 4, 256) }
            guard answer.more == true, let last = page.last?.key, let at = answer.header?.revision else { break }
            // The rest as it was then: each call is consistent in itself.
            revision = revision ?? at.value
            first = last + [0]
        }
        return Array(found.prefix(limit))
    }

    /// The only key of an answer; `nil` where it has none.
    func one(_ answer: RangeAnswer?, _ key: Data) throws(StoreError) -> KeyValue? {
        let all = answer?.kvs ?? []
        guard all.count <= 1, all.allSatisfy({ $0.key == key }) else {
            throw damaged("gave other keys than it was asked for")
        }
        return all.first
    }

    private func record(
        _ id: RecordID,
        _ found: KeyValue?,
        at revision: WholeNumber?
    ) async throws(StoreError) -> StoredRecord? {
        try await value(id, found, at: revision)
            .map { StoredRecord(id: id, generation: $0.generation, sealed: $0.bytes) }
    }

    private func value(
        _ id: RecordID,
        _ found: KeyValue?,
        at revision: WholeNumber?
    ) async throws(StoreError) -> StoredValue? {
        guard let found else {
            revisions.forget(id)
            return nil
        }
        var value = try StoredValue(found, limit: RecordLimits.recordBytes, client.subject)
        if let body = value.body {
            // As it was when the record was read, whoever replaces both meanwhile.
            let key = keys.body(id, body)
            let answer: RangeAnswer = try await client.ask("kv/range", RangeRequest(key: key, revision: revision))
                .message
            guard let bytes = try one(answer, key)?.value, bytes.count <= RecordLimits.recordBytes else {
                throw damaged("lacks the body of the record \(id)")
            }
            value.bytes = [UInt8](bytes)
        }
        revisions.remember(id, value)
        return value
    }

    func damaged(_ sentence: String) -> StoreError {
        StoreError(.damaged, client.subject, "the cluster \(sentence)")
    }
}

/// The header and the change counter, as they were at a revision of the cluster.
public struct EtcdState: Hashable, Sendable {
    /// The header.
    public let header: StoredHeader
    /// The change counter.
    public let changeCounter: UInt64
    /// The cluster's revision.
    public let revision: UInt64
}

/// A record, or that there is none, and the change counter, as they were at a revision of the cluster.
public struct EtcdLook: Hashable, Sendable {
    /// The record.
    public let record: StoredRecord?
    /// The change counter.
    public let changeCounter: UInt64
    /// The cluster's revision.
    public let revision: UInt64
}

/// What stands under the key of a header or record: eight bytes of the generation, then the bytes.
///
/// The topmost bit of the generation, which none reaches, says that the bytes stand elsewhere: what follows is the name
/// of the body.
struct StoredValue {
    private static let elsewhere: UInt64 = 1 << 63
    private static let nameLength = 16

    let generation: UInt64
    var bytes: [UInt8]
    /// The name of its body; `nil` where that is here.
    let body: [UInt8]?
    let revision: UInt64

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
}

/// Which revision a key had when it was seen with which generation: what a commit compares without reading again.
final class RevisionCache: Sendable {
    struct Seen: Sendable {
        var generation: UInt64
        var revision: UInt64
        /// The name of the record's body, where that is under a key of its own.
        var body: [UInt8]?
    }

    private struct State {
        var header: Seen?
        var records: [RecordID: Seen] = [:]
    }

    /// More than are changed between two looks; what is missing costs one more request.
    private static let most = 8192

    private let state = Mutex(State())

    var header: Seen? { state.withLock { $0.header } }

    func seen(_ id: RecordID) -> Seen? { state.withLock { $0.records[id] } }

    func remember(header value: StoredValue) {
        remember(header: Seen(generation: value.generation, revision: value.revision))
    }

    func remember(header seen: Seen) {
        state.withLock { if ($0.header?.revision ?? 0) <= seen.revision { $0.header = seen } }
    }

    func remember(_ id: RecordID, _ value: StoredValue) {
        remember(id, Seen(generation: value.generation, revision: value.revision, body: value.body))
    }

    func remember(_ id: RecordID, _ seen: Seen) {
        state.withLock { state in
            if state.records.count >= Self.most { state.records = [:] }
            // Answers may come out of order.
            if (state.records[id]?.revision ?? 0) <= seen.revision { state.records[id] = seen }
        }
    }

    func forget(_ id: RecordID) { state.withLock { $0.records[id] = nil } }

    func forgetHeader() { state.withLock { $0.header = nil } }
}
