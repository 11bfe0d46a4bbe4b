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
                .put(store.keys.header, EtcdValue.encode(header.generation, header.bytes)),
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
    ///
    /// - Parameter isWanted: Whether a store with that header is the one to be removed: the header is that of the instant
    ///   of removing.
    /// - Throws: `.absent` where there is none, `.unsafe` for one that is not wanted; nothing was removed then.
    public static func remove(
        in cluster: EtcdCluster,
        if isWanted: (StoredHeader) -> Bool = { _ in true }
    ) async throws(StoreError) {
        let store = try EtcdStore(cluster, locks: "", clock: VaultClock())
        let keys = store.keys
        for _ in 0..<attempts {
            let (header, _, _) = try await store.look()
            guard isWanted(StoredHeader(generation: header.generation, bytes: header.bytes)) else {
                throw StoreError(
                    .unsafe,
                    store.client.subject,
                    "holds another vault, or another state of it, than the one to be removed; nothing was removed"
                )
            }
            let transaction = Transaction(
                compare: [Comparison(keys.header, revision: header.revision)],
                success: [
                    .delete(keys.header), .delete(keys.changes),
                    .delete(keys.records.first, end: keys.records.end),
                    .delete(keys.leases.first, end: keys.leases.end),
                    .delete(keys.bodies.first, end: keys.bodies.end),
                ]
            )
            let answer = try await store.client.ask("kv/txn", transaction, for: TransactionAnswer.self)
            if answer.message.succeeded == true { return }
            if answer.mayBeRepeated {
                // It is gone if an attempt before this one came through.
                do throws(StoreError) { _ = try await store.look() } catch {
                    guard error.code == .absent else { throw error }
                    return
                }
            }
        }
        throw store.restless
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
    func look() async throws(StoreError) -> (header: EtcdValue, counter: UInt64, revision: UInt64) {
        let transaction = Transaction(success: [.range(keys.header), .range(keys.changes)])
        let answer: TransactionAnswer = try await client.ask("kv/txn", transaction).message
        guard let responses = answer.responses, responses.count == 2, let revision = answer.header?.revision else {
            throw damaged("gave no answer to each question")
        }
        guard let found = try one(responses[0].range, keys.header) else {
            throw StoreError(.absent, client.subject, "there is no vault below this prefix")
        }
        let value = try EtcdValue(found, limit: RecordLimits.headerBytes, client.subject)
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
        try await value(id).map { $0.record(id) }
    }

    /// What stands under a record's key.
    func value(_ id: RecordID) async throws(StoreError) -> EtcdValue? {
        let answer: RangeAnswer = try await client.ask("kv/range", RangeRequest(key: keys.record(id))).message
        return try await value(id, try one(answer, keys.record(id)), at: answer.header?.revision)
    }

    /// The only key of an answer; `nil` where it has none.
    func one(_ answer: RangeAnswer?, _ key: Data) throws(StoreError) -> KeyValue? {
        let all = answer?.kvs ?? []
        guard all.count <= 1, all.allSatisfy({ $0.key == key }) else {
            throw damaged("gave other keys than it was asked for")
        }
        return all.first
    }

    func record(
        _ id: RecordID,
        _ found: KeyValue?,
        at revision: WholeNumber?
    ) async throws(StoreError) -> StoredRecord? {
        try await value(id, found, at: revision).map { $0.record(id) }
    }

    private func value(
        _ id: RecordID,
        _ found: KeyValue?,
        at revision: WholeNumber?
    ) async throws(StoreError) -> EtcdValue? {
        guard let found else {
            revisions.forget(id)
            return nil
        }
        var value: EtcdValue
        do throws(StoreError) {
            value = try EtcdValue(found, limit: RecordLimits.recordBytes, client.subject)
        } catch {
            guard let broken = EtcdValue(broken: found, fault: error.message) else { throw error }
            value = broken
        }
        if let body = value.body {
            // As it was when the record was read, whoever replaces both meanwhile.
            let key = keys.body(id, body)
            let answer: RangeAnswer = try await client.ask("kv/range", RangeRequest(key: key, revision: revision))
                .message
            if let bytes = try one(answer, key)?.value, bytes.count <= RecordLimits.recordBytes {
                value.bytes = [UInt8](bytes)
            } else {
                value.fault = "is damaged: the cluster lacks its body"
            }
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
