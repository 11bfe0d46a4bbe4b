internal import Synchronization
package import VaultStorage

/// A store on other machines, as a cache asks it.
package protocol RemoteStore: RecordStore {
    /// The header, of one instant with the counter and the revision.
    func seenHeader() async throws(StoreError) -> Seen<StoredHeader>

    /// The record filed under `id`, of one instant with the counter and the revision.
    func seenRecord(_ id: RecordID) async throws(StoreError) -> Seen<StoredRecord?>

    /// What changes after `revision`; it ends with an error when nothing more is known.
    func changes(since revision: UInt64?) -> AsyncThrowingStream<EtcdChange, any Error>

    /// The same store, its lock file in `locks`.
    func placed(in locks: String) -> any RemoteStore
}

/// Something in a store, and of when it is.
package struct Seen<Value: Sendable>: Sendable {
    package var value: Value
    /// The store's change counter.
    package var counter: UInt64
    /// The cluster's revision.
    package var revision: UInt64

    package init(_ value: Value, counter: UInt64, revision: UInt64) {
        self.value = value
        self.counter = counter
        self.revision = revision
    }
}

/// The way to a store on other machines: opened when it is first needed, and left alone for a while when nobody answers.
package final class StoreReach: Sendable {
    /// How long nobody is asked again, in milliseconds: a command that reads ten times waits for one time-out.
    static let quietMilliseconds: UInt64 = 5000

    private struct State {
        var store: (any RemoteStore)?
        var failure: (error: StoreError, until: UInt64)?
    }

    private let state = Mutex(State())
    private let bootTime: @Sendable () -> UInt64
    private let connect: @Sendable () async throws(StoreError) -> any RemoteStore

    /// - Parameters:
    ///   - bootTime: Milliseconds of the boot-time clock.
    ///   - connect: Opens the store.
    package init(
        bootTime: @escaping @Sendable () -> UInt64,
        connect: @escaping @Sendable () async throws(StoreError) -> any RemoteStore
    ) {
        self.bootTime = bootTime
        self.connect = connect
    }

    var now: UInt64 { bootTime() }

    /// Why nobody answers; `nil` as far as is known.
    package var failure: StoreError? { state.withLock { $0.failure?.error } }

    /// Asks the store, unless it gave no answer a moment ago.
    ///
    /// - Parameters:
    ///   - patience: How long to wait where there is something else to go by; `nil` for as long as the store does.
    ///   - insists: Whether to ask even so: what is lost if it cannot be written is worth another attempt.
    package func ask<Value: Sendable>(
        within patience: Duration? = nil,
        insisting insists: Bool = false,
        _ body: @escaping @Sendable (any RemoteStore) async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        let (known, failure) = state.withLock { ($0.store, $0.failure) }
        if let failure, !insists, bootTime() < failure.until { throw failure.error }
        do throws(StoreError) {
            let value = try await Self.limited(patience) { [self] () async throws(StoreError) in
                let store: any RemoteStore
                if let known {
                    store = known
                } else {
                    store = try await connect()
                    state.withLock { $0.store = store }
                }
                return try await body(store)
            }
            state.withLock { $0.failure = nil }
            return value
        } catch {
            if error.code == .unreachable {
                let until = bootTime() + Self.quietMilliseconds
                state.withLock { $0.failure = (error, until) }
            }
            throw error
        }
    }

    private static func limited<Value: Sendable>(
        _ patience: Duration?,
        _ body: @escaping @Sendable () async throws(StoreError) -> Value
    ) async throws(StoreError) -> Value {
        guard let patience else { return try await body() }
        let result = await withTaskGroup(of: Result<Value, StoreError>?.self) { group in
            group.addTask {
                do throws(StoreError) { return .success(try await body()) } catch { return .failure(error) }
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        guard let result else {
            throw StoreError(.unreachable, "the store", "gave no answer within \(patience.components.seconds) s")
        }
        return try result.get()
    }
}
