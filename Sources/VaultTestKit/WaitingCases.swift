internal import Synchronization
internal import VaultStorage

extension RecordStoreConformance {
    /// Longer than any healthy store needs, on a machine on which everything else runs as well.
    static let patience = Duration.seconds(300)

    static func held(_ name: LeaseName, in store: any RecordStore) async throws -> Lease {
        guard let lease = try await store.tryLease(name) else {
            throw ConformanceFailure("a lease nobody holds was not given")
        }
        return lease
    }

    static let waitingCases: [Case] = [
        Case(name: "givesALeaseNobodyHoldsWithoutWaiting") { place in
            let store = try await place.make()
            let name = try leaseName(1)
            let lease = try await store.lease(name, within: .zero, clock: ContinuousClock())
            defer { lease.release() }
            try expect(try await place.reopen().tryLease(name) == nil, "the lease was given twice")
        },
        Case(name: "givesALeaseToAWaiterWhenItsHolderLetsGo") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            let first = try await held(name, in: store)
            async let waiter = other.lease(name, within: patience, clock: ContinuousClock())
            // Whether the other has begun to wait by now or comes too late for that, it must be given the lease.
            for _ in 0..<10 { await Task.yield() }
            try expect(try await store.tryLease(name) == nil, "a lease that one holds and one waits for was given")
            first.release()
            let second = try await waiter
            defer { second.release() }
            try expect(try await store.tryLease(name) == nil, "a lease was given twice")
        },
        Case(name: "waitsForALeaseNoLongerThanItIsTold") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            let first = try await held(name, in: store)
            defer { first.release() }
            for limit in [Duration.zero, .milliseconds(100)] {
                let start = ContinuousClock.now
                try await expectRefusal(.unavailable, "waiting for \(limit)") {
                    _ = try await other.lease(name, within: limit, clock: ContinuousClock())
                }
                let waited = start.duration(to: .now)
                try expect(waited >= limit, "gave up after \(waited) of \(limit)")
                try expect(waited < patience, "waited \(waited) instead of \(limit)")
            }
            try expect(try await other.tryLease(name) == nil, "one who gave up took the lease from its holder")
        },
        Case(name: "keepsNothingOfAWaiterThatWasCancelled") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            let first = try await held(name, in: store)
            let waiter = Task { try await other.lease(name, within: patience, clock: ContinuousClock()) }
            for _ in 0..<10 { await Task.yield() }
            waiter.cancel()
            try await expectRefusal(.unavailable, "a cancelled wait") { _ = try await waiter.value }
            try expect(try await store.tryLease(name) == nil, "a cancelled wait took the lease from its holder")
            first.release()
            let next = try await other.lease(name, within: patience, clock: ContinuousClock())
            next.release()
        },
        Case(name: "givesALeaseToOneOfManyWaitersAtATime") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            let turns = Turns()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<12 {
                    group.addTask {
                        let own = task % 2 == 0 ? store : other
                        let lease = try await own.lease(name, within: patience, clock: ContinuousClock())
                        defer { lease.release() }
                        try turns.enter()
                        _ = try await own.changeCounter()
                        turns.leave()
                    }
                }
                try await group.waitForAll()
            }
            try expectEqual(turns.taken, 12, "the count of those who had it")
        },
        Case(name: "keepsALeaseThroughCommitsAndHeaders") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            let lease = try await held(name, in: store)
            defer { lease.release() }
            try await other.commit([put(try recordID(1), 1)], ifHeaderGeneration: 1)
            try await other.replaceHeader(StoredHeader(generation: 2, bytes: [2]), ifGeneration: 1)
            try expect(try await other.tryLease(name) == nil, "a commit or a header freed a lease")
        },
    ]

    static let fenceCases: [Case] = [
        Case(name: "commitsUnderALeaseOfItsOwn") { place in
            let store = try await place.make()
            let id = try recordID(1)
            let lease = try await held(try leaseName(1), in: store)
            defer { lease.release() }
            try await store.commit([put(id, 1)], ifHeaderGeneration: 1, holding: lease)
            try await store.commit([put(id, 2, replacing: 1)], ifHeaderGeneration: 1, holding: lease)
            try expectEqual(try await store.record(id), record(id, 2), "the record")
            try await expectRefusal(.conflict, "a commit under a lease that expects another generation") {
                try await store.commit([put(id, 3, replacing: 1)], ifHeaderGeneration: 1, holding: lease)
            }
            try await expectRefusal(.headerMoved, "a commit under a lease and another header") {
                try await store.commit([put(id, 3, replacing: 2)], ifHeaderGeneration: 2, holding: lease)
            }
            try expectEqual(try await store.record(id), record(id, 2), "the record after what was refused")
        },
        Case(name: "refusesACommitUnderALeaseThatAnotherHasByNow") { place in
            guard let expireLeases = place.expireLeases else { return }
            let store = try await place.make()
            let other = try await place.reopen()
            let (id, name) = (try recordID(1), try leaseName(1))
            let lost = try await held(name, in: store)
            try await expireLeases()
            let taken = try await other.lease(name, within: patience, clock: ContinuousClock())
            let before = try await store.changeCounter()
            try await expectRefusal(.leaseLost, "a commit under a lease that another has") {
                try await store.commit([put(id, 1)], ifHeaderGeneration: 1, holding: lost)
            }
            try expectEqual(try await store.record(id), nil, "the record")
            try expectEqual(try await store.changeCounter(), before, "the change counter")
            try await other.commit([put(id, 1)], ifHeaderGeneration: 1, holding: taken)
            // Letting go of what one does not have any more must not free what another has.
            lost.release()
            try expect(try await store.tryLease(name) == nil, "releasing a lost lease freed another's")
            taken.release()
        },
        Case(name: "refusesACommitUnderALeaseThatEndedAndNobodyHas") { place in
            guard let expireLeases = place.expireLeases else { return }
            let store = try await place.make()
            let id = try recordID(1)
            let lost = try await held(try leaseName(1), in: store)
            try expect(lost.fence != nil, "a lease that can end before its holder has no fence")
            try await store.commit([put(id, 1)], ifHeaderGeneration: 1, holding: lost)
            try await expireLeases()
            for changes in [[put(id, 2, replacing: 1)], [.delete(id, generation: 1)], [put(try recordID(2), 1)]] {
                try await expectRefusal(.leaseLost, "a commit under a lease that ended") {
                    try await store.commit(changes, ifHeaderGeneration: 1, holding: lost)
                }
            }
            try expectEqual(try await store.records(after: nil, limit: 9), [record(id, 1)], "the records")
            try await store.commit([put(id, 2, replacing: 1)], ifHeaderGeneration: 1)
        },
        Case(name: "givesEachHolderOfALeaseAnotherFence") { place in
            guard place.expireLeases != nil else { return }
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            var tokens: Set<UInt64> = []
            for turn in 0..<6 {
                let lease = try await (turn % 2 == 0 ? store : other)
                    .lease(name, within: patience, clock: ContinuousClock())
                guard let fence = lease.fence else { throw ConformanceFailure("a lease has no fence") }
                try expectEqual(fence.name, name, "the fence's name")
                try expect(tokens.insert(fence.token).inserted, "two holders have the fence \(fence.token)")
                lease.release()
            }
        },
    ]
}

/// Who holds a lease, and how many have held it.
private final class Turns: Sendable {
    private let counts = Mutex((inside: 0, taken: 0))

    var taken: Int { counts.withLock { $0.taken } }

    func enter() throws {
        let inside = counts.withLock { counts in
            counts.inside += 1
            return counts.inside
        }
        try expect(inside == 1, "\(inside) hold one lease")
    }

    func leave() {
        counts.withLock { counts in
            counts.inside -= 1
            counts.taken += 1
        }
    }
}
