internal import VaultStorage

extension RecordStoreConformance {
    static let crowdCases: [Case] = [
        Case(name: "letsOneOfManyPutARecord") { place in
            let stores = [try await place.make(), try await place.reopen()]
            let id = try recordID(1)
            let won = try await count(of: 24) { task in
                let own = record(id, 1, [UInt8(task)])
                try await stores[task % 2].commit([.put(own, replacing: nil)], ifHeaderGeneration: 1)
            }
            try expectEqual(won.count, 1, "the count of those who put one record")
            try expectEqual(try await stores[0].record(id)?.sealed, won.map(UInt8.init), "the record")
        },
        Case(name: "letsOneOfManyReplaceTheHeader") { place in
            let stores = [try await place.make(), try await place.reopen()]
            let won = try await count(of: 24) { task in
                let own = StoredHeader(generation: 2, bytes: [UInt8(task)])
                try await stores[task % 2].replaceHeader(own, ifGeneration: 1)
            }
            try expectEqual(won.count, 1, "the count of those who replaced one header")
            try expectEqual(try await stores[1].header().bytes, won.map(UInt8.init), "the header")
        },
        // A rotation replaces the header while others go on; what they had decided on the old one is decided anew.
        Case(name: "losesNoChangeWhileTheHeaderIsReplaced") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let (tasks, turns) = (6, 15)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<tasks {
                    group.addTask {
                        let own = task % 2 == 0 ? store : other
                        let id = try recordID(UInt8(task))
                        for turn in 1...UInt64(turns) {
                            try await again(in: own) { header in
                                let change = put(id, turn, replacing: turn == 1 ? nil : turn - 1)
                                try await own.commit([change], ifHeaderGeneration: header.generation)
                            }
                        }
                    }
                }
                for _ in 0..<2 {
                    group.addTask {
                        for _ in 0..<turns {
                            try await again(in: other) { header in
                                let next = StoredHeader(generation: header.generation + 1, bytes: header.bytes + [1])
                                try await other.replaceHeader(next, ifGeneration: header.generation)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let header = try await store.header()
            try expectEqual(header.generation, UInt64(1 + 2 * turns), "the header's generation")
            try expectEqual(header.bytes.count, 3 + 2 * turns, "what each replacement added to the header")
            let expected = try (0..<tasks).map { record(try recordID(UInt8($0)), UInt64(turns)) }
            try expectEqual(try await store.records(after: nil, limit: 99), expected, "the records")
        },
        Case(name: "iteratesOverWhatStaysWhileManyWrite") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let staying = try (0..<40).map { try recordID(UInt8($0 * 6)) }
            try await store.commit(staying.map { put($0, 1) }, ifHeaderGeneration: 1)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<3 {
                    group.addTask {
                        let passing = try (0..<20).map { try recordID(UInt8($0 * 12), UInt8(task + 1)) }
                        for _ in 0..<4 {
                            try await other.commit(passing.map { put($0, 1) }, ifHeaderGeneration: 1)
                            try await other.commit(
                                passing.map { .delete($0, generation: 1) },
                                ifHeaderGeneration: 1
                            )
                        }
                    }
                }
                for _ in 0..<5 {
                    let found = try await ids(in: store, pages: 7)
                    try expectEqual(found, found.sorted(), "the order of what was found")
                    try expectEqual(found.count, Set(found).count, "the count of what was found")
                    try expect(Set(found).isSuperset(of: staying), "a record that stayed was passed over")
                }
                try await group.waitForAll()
            }
            try expectEqual(try await ids(in: store, pages: 64), staying, "the records in the end")
        },
    ]

    static let faultCases: [Case] = [
        // Half a MiB, which a server with a limit to the size of one request takes too.
        Case(name: "appliesSixtyFourLargeChangesOrNone") { place in
            let store = try await place.make()
            let large = [UInt8](repeating: 0xC3, count: 1 << 13)
            let changes = try (0..<64).map { RecordChange.put(record(try recordID($0), 1, large), replacing: nil) }
            try await store.commit([put(try recordID(63), 5)], ifHeaderGeneration: 1)
            let before = try await store.changeCounter()
            try await expectRefusal(.conflict, "64 large changes the last of which fails") {
                try await store.commit(changes, ifHeaderGeneration: 1)
            }
            let one = try await store.records(after: nil, limit: 99)
            try expectEqual(one, [record(try recordID(63), 5)], "the records after what was refused")
            try expectEqual(try await store.changeCounter(), before, "the change counter after what was refused")
            try await store.commit([.delete(try recordID(63), generation: 5)], ifHeaderGeneration: 1)
            try await store.commit(changes, ifHeaderGeneration: 1)
            let other = try await place.reopen()
            var last: RecordID?
            for change in changes {
                let found = try await other.records(after: last, limit: 1)
                try expect(
                    found.first.map { .put($0, replacing: nil) } == change,
                    "a large record is not as it was put"
                )
                last = change.id
            }
        },
        Case(name: "keepsWhatManyCommitsLeftWhenItIsOpenedAgain") { place in
            let store = try await place.make()
            var expected: [RecordID: StoredRecord] = [:]
            for batch in 0..<6 as Range<UInt8> {
                let changes = try (0..<50 as Range<UInt8>).map { put(try recordID($0, batch), 1) }
                try await store.commit(changes, ifHeaderGeneration: 1)
                for case .put(let record, _) in changes { expected[record.id] = record }
            }
            for number in 0..<50 as Range<UInt8> where number % 3 != 0 {
                let (new, old) = (record(try recordID(number, 2), 2, [number]), try recordID(number, 4))
                try await store.commit(
                    [.put(new, replacing: 1), .delete(old, generation: 1)],
                    ifHeaderGeneration: 1
                )
                expected[new.id] = new
                expected[old] = nil
            }
            let again = try await place.reopen()
            try expectEqual(
                try await again.records(after: nil, limit: 999),
                expected.values.sorted { $0.id < $1.id },
                "the records"
            )
            try expectEqual(try await again.changeCounter(), try await store.changeCounter(), "the change counter")
        },
        Case(name: "readsAndRefusesToWriteWhereItCannotBeWritten") { place in
            guard let openReadOnly = place.openReadOnly else { return }
            let store = try await place.make()
            let id = try recordID(1)
            try await store.commit([put(id, 1)], ifHeaderGeneration: 1)
            try expect(!store.isReadOnly, "a store that was written says that it cannot be")
            let fixed = try await openReadOnly()
            try expect(fixed.isReadOnly, "a store that cannot be written does not say so")
            try expectEqual(try await fixed.header(), try await store.header(), "the header")
            try expectEqual(try await fixed.records(after: nil, limit: 9), [record(id, 1)], "the records")
            try await expectRefusal(.unavailable, "a commit") {
                try await fixed.commit([put(id, 2, replacing: 1)], ifHeaderGeneration: 1)
            }
            try await expectRefusal(.unavailable, "a header") {
                try await fixed.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
            }
            try expectEqual(try await store.record(id), record(id, 1), "the record")
        },
        Case(name: "isWholeOrUnchangedWhenACommitDies") { place in
            guard let interrupt = place.interrupt else { return }
            let store = try await place.make()
            let count = 8
            try await store.commit(try (0..<count).map { put(try recordID(UInt8($0)), 1) }, ifHeaderGeneration: 1)
            var step = 0
            while true {
                let before = try await place.reopen().records(after: nil, limit: 99)
                let after = before.map { record($0.id, $0.generation + 1, [UInt8(step & 255)]) }
                let changes = zip(before, after).map { RecordChange.put($1, replacing: $0.generation) }
                guard try await interrupt(changes, step) else { break }
                let found = try await place.reopen().records(after: nil, limit: 99)
                try expect(
                    found == before || found == after,
                    "a commit that died at step \(step) is neither whole nor gone"
                )
                // What died must not be in the way of the next.
                let id = try recordID(UInt8(100 + step % 100), UInt8(step / 100))
                try await place.reopen().commit([put(id, 1)], ifHeaderGeneration: 1)
                try await place.reopen().commit([.delete(id, generation: 1)], ifHeaderGeneration: 1)
                step += 1
                try expect(step < 1000, "a commit of \(count) changes has more than 1000 steps")
            }
            try expect(step > 0, "there was no step at which a commit could die")
        },
    ]

    /// The numbers of those tasks whose body was not refused as too late.
    private static func count(
        of tasks: Int,
        _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws -> [Int] {
        try await withThrowingTaskGroup(of: Int?.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    do {
                        try await body(task)
                        return task
                    } catch let error as StoreError where error.code == .conflict || error.code == .headerMoved {
                        return nil
                    }
                }
            }
            return try await group.reduce(into: []) { winners, task in winners += task.map { [$0] } ?? [] }
        }
    }

    /// Does `body` on the header until no other was faster.
    private static func again(in store: any RecordStore, _ body: (StoredHeader) async throws -> Void) async throws {
        while true {
            do {
                return try await body(try await store.header())
            } catch let error as StoreError where error.code == .headerMoved {
                continue
            }
        }
    }

    private static func ids(in store: any RecordStore, pages limit: Int) async throws -> [RecordID] {
        var found: [RecordID] = []
        while true {
            let page = try await store.records(after: found.last, limit: limit)
            guard !page.isEmpty else { return found }
            found += page.map(\.id)
            try expect(found.count < 100_000, "the iteration does not end")
        }
    }
}
