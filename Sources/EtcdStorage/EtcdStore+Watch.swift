internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
public import VaultStorage

/// Something that was changed in the cluster, or what is known of the watch itself.
public enum EtcdChange: Hashable, Sendable {
    /// A record was put.
    case put(RecordID, revision: UInt64)
    /// A record was deleted.
    case deleted(RecordID, revision: UInt64)
    /// The header was replaced, or removed with its vault.
    case header(revision: UInt64)
    /// The change counter's new value, after everything else of the same commit.
    case counter(UInt64, revision: UInt64)
    /// All up to that revision was told; the first one says that the watch stands.
    case progress(revision: UInt64)
    /// The cluster no longer knows what has changed since then: whoever remembers something reads it anew.
    case compacted
}

extension EtcdStore {
    private static let longestLine = 8 << 20
    /// Changes that were told and not yet looked at.
    private static let mostUnread = 4096

    /// What changes after `revision`, or from now on.
    ///
    /// One connection; when it breaks, the stream ends with a `StoreError`, and one asks again with the last revision that
    /// was told.
    public func changes(since revision: UInt64?) -> AsyncThrowingStream<EtcdChange, any Error> {
        watch(keys.watched.first, end: keys.watched.end, since: revision)
    }

    /// Waits until something happens to a key after `revision`, and no longer than `limit`.
    func change<C: Clock>(
        of key: Data,
        after revision: UInt64?,
        within limit: Duration,
        on clock: C
    ) async where C.Duration == Duration {
        let request = WatchRequest(create: .init(key: key, start: revision.map { WholeNumber($0 + 1) }))
        await withTaskGroup(of: Bool.self) { [client] group in
            group.addTask {
                try? await clock.sleep(for: limit)
                return true
            }
            group.addTask {
                var lines = LineReader(limit: Self.longestLine)
                do {
                    for try await part in try await client.stream("watch", request) {
                        for line in try lines.add(part) {
                            let message = try JSONDecoder().decode(Streamed<WatchAnswer>.self, from: line)
                            if message.result?.events?.isEmpty == false { return true }
                        }
                    }
                } catch {}
                // Not told, it is asked for when the time is over.
                return false
            }
            while let isOver = await group.next(), !isOver {}
            group.cancelAll()
        }
    }

    private func watch(_ first: Data, end: Data, since revision: UInt64?) -> AsyncThrowingStream<EtcdChange, any Error>
    {
        AsyncThrowingStream(bufferingPolicy: .bufferingOldest(Self.mostUnread)) { continuation in
            let task = Task { [client, keys] in
                do {
                    let request = WatchRequest(
                        create: .init(key: first, end: end, start: revision.map { WholeNumber($0 + 1) })
                    )
                    var lines = LineReader(limit: Self.longestLine)
                    for try await part in try await client.stream("watch", request) {
                        for line in try lines.add(part) {
                            let message: Streamed<WatchAnswer>
                            do { message = try JSONDecoder().decode(Streamed<WatchAnswer>.self, from: line) } catch {
                                throw client.damaged("watch", "gave an answer that etcd does not give")
                            }
                            for change in try message.changes(keys, client) {
                                // A change that is not heard of must not be missed: who is too slow begins anew.
                                if case .dropped = continuation.yield(change) { return continuation.finish() }
                            }
                            if message.result?.compactRevision != nil { return continuation.finish() }
                        }
                    }
                    throw StoreError(.unreachable, client.subject, "the watch has ended")
                } catch let error as StoreError {
                    continuation.finish(throwing: error)
                } catch {
                    continuation.finish(
                        throwing: StoreError(.unreachable, client.subject, "the watch has ended: \(reason(error))")
                    )
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}

private struct WatchRequest: Encodable, Sendable {
    struct Create: Encodable, Sendable {
        var key: Data
        var end: Data?
        var start: WholeNumber?
        var tellsProgress = true
        var isFragmented = true

        enum CodingKeys: String, CodingKey {
            case key
            case end = "range_end"
            case start = "start_revision"
            case tellsProgress = "progress_notify"
            case isFragmented = "fragment"
        }
    }

    var create: Create

    enum CodingKeys: String, CodingKey {
        case create = "create_request"
    }
}

private struct WatchAnswer: Decodable, Sendable {
    struct Event: Decodable, Sendable {
        var type: String?
        var kv: KeyValue?
    }

    var header: AnswerHeader?
    var canceled: Bool?
    var reason: String?
    var compactRevision: WholeNumber?
    var events: [Event]?

    enum CodingKeys: String, CodingKey {
        case header, canceled, events
        case reason = "cancel_reason"
        case compactRevision = "compact_revision"
    }
}

extension Streamed where Message == WatchAnswer {
    fileprivate func changes(_ keys: EtcdKeys, _ client: EtcdClient) throws(StoreError) -> [EtcdChange] {
        if let error {
            throw EtcdRefusal(code: error.code ?? error.grpcCode ?? 14, words: error.message ?? error.error ?? "")
                .error(client.cluster)
        }
        guard let result else { throw client.damaged("watch", "gave an answer that etcd does not give") }
        if result.compactRevision != nil { return [.compacted] }
        if result.canceled == true {
            throw EtcdRefusal(code: 14, words: result.reason ?? "the watch was cancelled").error(client.cluster)
        }
        guard let events = result.events else {
            return result.header?.revision.map { [.progress(revision: $0.value)] } ?? []
        }
        var changes: [EtcdChange] = []
        for event in events {
            guard let kv = event.kv, let key = kv.key, let revision = kv.modRevision?.value else {
                throw client.damaged("watch", "told of a change of nothing")
            }
            let isDeleted = event.type == "DELETE"
            if key == keys.header {
                changes.append(.header(revision: revision))
            } else if key == keys.changes {
                changes.append(.counter(isDeleted ? 0 : kv.version?.value ?? 0, revision: revision))
            } else if let id = keys.recordID(key) {
                changes.append(isDeleted ? .deleted(id, revision: revision) : .put(id, revision: revision))
            }
        }
        return changes
    }
}

/// Cuts a stream into its lines, none longer than the limit.
private struct LineReader {
    let limit: Int
    private var rest: [UInt8] = []

    init(limit: Int) { self.limit = limit }

    mutating func add(_ part: ByteBuffer) throws(StoreError) -> [Data] {
        var lines: [Data] = []
        for byte in part.readableBytesView.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            if byte.offset > 0 {
                if !rest.isEmpty { lines.append(Data(rest)) }
                rest = []
            }
            guard rest.count + byte.element.count <= limit else {
                throw StoreError(.damaged, "watch", "the cluster tells of a change in more than \(limit) bytes")
            }
            rest += byte.element
        }
        return lines
    }
}
