internal import Synchronization
internal import VaultStorage

/// Which revision a key had when it was seen with which generation: what a commit compares without reading again; and how
/// large a walk's questions are.
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
        var pace = Pace()
    }

    /// More than are changed between two looks; what is missing costs one more request.
    private static let most = 8192

    private let state = Mutex(State())

    var header: Seen? { state.withLock { $0.header } }

    var pace: Pace {
        get { state.withLock { $0.pace } }
        set { state.withLock { $0.pace = newValue } }
    }

    func seen(_ id: RecordID) -> Seen? { state.withLock { $0.records[id] } }

    func remember(header value: EtcdValue) {
        remember(header: Seen(generation: value.generation, revision: value.revision))
    }

    func remember(header seen: Seen) {
        state.withLock { if ($0.header?.revision ?? 0) <= seen.revision { $0.header = seen } }
    }

    func remember(_ id: RecordID, _ value: EtcdValue) {
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
