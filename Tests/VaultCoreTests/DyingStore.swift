import Synchronization
import VaultAPI
import VaultStorage

@testable import VaultCore

/// How many calls are left before whoever makes them is dead.
final class Life: Sendable {
    private let left: Mutex<Int>
    private let isLast: Bool

    /// - Parameter survivingLast: Whether the last call is still done by the store, only nobody learns of it.
    init(_ calls: Int, survivingLast: Bool = false) {
        left = Mutex(calls)
        isLast = survivingLast
    }

    var isOver: Bool { left.withLock { $0 < 0 } }

    /// Whether the call is done, and whether its caller lives to see it.
    func spend() -> (done: Bool, seen: Bool) {
        left.withLock { left in
            left -= 1
            return (left >= 0 || (left == -1 && isLast), left >= 0)
        }
    }

    static let death = StoreError(.unavailable, "test", "is dead")

    func step<Result>(_ body: () async throws(StoreError) -> Result) async throws(StoreError) -> Result {
        let (done, seen) = spend()
        guard done else { throw Self.death }
        let result = try await body()
        guard seen else { throw Self.death }
        return result
    }

    func step(_ body: () throws(VaultError) -> Void) throws(VaultError) {
        let (done, seen) = spend()
        if done { try body() }
        guard seen else { throw VaultError(Self.death) }
    }
}

/// A store whose user dies at a given call: from then on, nothing he does reaches it.
struct DyingStore: RecordStore {
    let store: any RecordStore
    let life: Life

    var hasCommonLock: Bool { store.hasCommonLock }

    func header() async throws(StoreError) -> StoredHeader {
        try await life.step { () throws(StoreError) in try await store.header() }
    }

    func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try await life.step { () throws(StoreError) in try await store.replaceHeader(header, ifGeneration: old) }
    }

    func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        try await life.step { () throws(StoreError) in try await store.record(id) }
    }

    func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        try await life.step { () throws(StoreError) in try await store.records(after: id, limit: limit) }
    }

    func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        try await life.step { () throws(StoreError) in
            try await store.commit(changes, ifHeaderGeneration: generation, holding: lease)
        }
    }

    func changeCounter() async throws(StoreError) -> UInt64 {
        try await life.step { () throws(StoreError) in try await store.changeCounter() }
    }

    func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        try await life.step { () throws(StoreError) in try await store.tryLease(name) }
    }
}

extension StoreMove.Place {
    /// The same place for somebody with such a life.
    func dying(_ life: Life) -> StoreMove.Place {
        StoreMove.Place(
            address: address,
            open: {
                let store = try await open()
                let (done, seen) = life.spend()
                guard done, seen else { throw Life.death }
                return store.map { DyingStore(store: $0, life: life) }
            },
            create: { header in
                let (done, seen) = life.spend()
                guard done else { throw Life.death }
                let store = try await create(header)
                guard seen else { throw Life.death }
                return DyingStore(store: store, life: life)
            },
            remove: {
                let (done, seen) = life.spend()
                if done { try await remove() }
                guard seen else { throw Life.death }
            }
        )
    }
}

extension TestVault {
    func openForMove() async throws -> Vault {
        try await Vault.openForMove(location, with: custodians())
    }

    /// Moves as `Vault.move` does, by somebody who dies after some calls.
    func move(to address: StoreAddress, _ life: Life) async throws {
        let from = try location.storeAddress()
        let vault = try await openForMove()
        vault.adopt(vault.current, in: DyingStore(store: vault.store, life: life))
        _ = try await vault.move(
            into: StoreMove.Place(address, for: vault.id, at: location).dying(life),
            from: from,
            naming: { [location] () throws(VaultError) in
                try life.step { () throws(VaultError) in try location.name(from) }
            },
            switching: { [location] () throws(VaultError) in
                try life.step { () throws(VaultError) in try location.stand(for: address) }
            }
        )
    }

    func takeBack(from address: StoreAddress?, _ life: Life) async throws {
        let vault = try await openForMove()
        guard let goal = try address ?? vault.current.header.movedTo.map({ try StoreAddress(parsing: $0, home: nil) })
        else { return }
        vault.adopt(vault.current, in: DyingStore(store: vault.store, life: life))
        try await vault.takeBack(StoreMove.Place(goal, for: vault.id, at: location).dying(life))
    }
}
