internal import VaultStorage

extension RecordStoreConformance {
    static func leaseName(_ last: UInt8) throws -> LeaseName {
        var bytes = [UInt8](repeating: 0, count: 16)
        bytes[15] = last
        guard let name = LeaseName(bytes) else { throw ConformanceFailure("no lease name of \(bytes.count) bytes") }
        return name
    }

    static let leaseCases: [Case] = [
        Case(name: "leasesExcludeWithinOneInstanceAndAcrossTwo") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            guard let lease = try await store.tryLease(name) else {
                throw ConformanceFailure("a lease nobody holds was not given")
            }
            defer { lease.release() }
            try expect(try await store.tryLease(name) == nil, "the same instance gave a lease twice")
            try expect(try await other.tryLease(name) == nil, "another instance gave a lease that is held")
            // A failed attempt must not have freed it.
            try expect(try await other.tryLease(name) == nil, "a refused attempt freed the lease")
        },
        Case(name: "leasesOfDifferentNamesDoNotExclude") { place in
            let store = try await place.make()
            var held: [Lease] = []
            defer { for lease in held { lease.release() } }
            for last in 0..<20 as Range<UInt8> {
                guard let lease = try await store.tryLease(try leaseName(last)) else {
                    throw ConformanceFailure("lease \(last) was refused while only others were held")
                }
                held.append(lease)
            }
            held[3].release()
            try expect(try await store.tryLease(try leaseName(4)) == nil, "releasing one lease freed another")
        },
        Case(name: "aReleasedLeaseIsFree") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            guard let first = try await store.tryLease(name) else {
                throw ConformanceFailure("a lease nobody holds was not given")
            }
            first.release()
            // Another machine may hear of it a moment later.
            let second = try await other.lease(name, within: patience, clock: ContinuousClock())
            defer { second.release() }
            // Releasing the first again must not free what the second holds.
            first.release()
            try expect(try await store.tryLease(name) == nil, "releasing a lease twice freed another's")
        },
        Case(name: "aDeallocatedLeaseIsFree") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let name = try leaseName(1)
            var lease = try await store.tryLease(name)
            try expect(lease != nil, "a lease nobody holds was not given")
            try expect(try await other.tryLease(name) == nil, "another instance gave a lease that is held")
            lease?.release()
            lease = try await store.tryLease(name)
            lease = nil
            try await other.lease(name, within: patience, clock: ContinuousClock()).release()
        },
    ]

    static let concurrencyCases: [Case] = [
        Case(name: "losesNoneOfAThousandConcurrentIncrements") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let id = try recordID(1)
            try await store.commit([.put(record(id, 1, [0, 0]), replacing: nil)], ifHeaderGeneration: 1)
            let start = try await store.changeCounter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<50 {
                    group.addTask {
                        for _ in 0..<20 { try await increment(id, in: task % 2 == 0 ? store : other) }
                    }
                }
                try await group.waitForAll()
            }
            let count = UInt64(1000)
            let expected = record(id, count + 1, [UInt8(count >> 8), UInt8(count & 255)])
            try expectEqual(try await store.record(id), expected, "the record after 1000 increments")
            try expectEqual(try await other.record(id), expected, "the record in another instance")
            let end = try await store.changeCounter()
            try expect(end >= start + count, "the counter grew from \(start) to \(end) in 1000 commits")
        }
    ]

    /// Adds one to the two bytes of the record, again and again until no other was faster.
    private static func increment(_ id: RecordID, in store: any RecordStore) async throws {
        while true {
            guard let old = try await store.record(id), old.sealed.count == 2 else {
                throw ConformanceFailure("the record vanished or shrank")
            }
            let value = UInt16(old.sealed[0]) << 8 | UInt16(old.sealed[1]) + 1
            let new = record(id, old.generation + 1, [UInt8(value >> 8), UInt8(value & 255)])
            do {
                return try await store.commit([.put(new, replacing: old.generation)], ifHeaderGeneration: 1)
            } catch {
                guard error.code == .conflict else { throw error }
            }
        }
    }
}
