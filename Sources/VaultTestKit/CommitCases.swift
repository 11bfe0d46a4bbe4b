internal import VaultStorage

extension RecordStoreConformance {
    static let commitCases: [Case] = [
        Case(name: "putsReplacesAndDeletes") { place in
            let store = try await place.make()
            let id = try recordID(1)
            try expectEqual(try await store.record(id), nil, "a record never put")
            try await store.commit([.put(record(id, 1, [1, 2]), replacing: nil)], ifHeaderGeneration: 1)
            try expectEqual(try await store.record(id), record(id, 1, [1, 2]), "the record put")
            try await store.commit([.put(record(id, 4, []), replacing: 1)], ifHeaderGeneration: 1)
            try expectEqual(try await store.record(id), record(id, 4, []), "the record replaced")
            try await store.commit([.delete(id, generation: 4)], ifHeaderGeneration: 1)
            try expectEqual(try await store.record(id), nil, "the record deleted")
            try await store.commit([put(id, 9)], ifHeaderGeneration: 1)
            try expectEqual(try await store.record(id), record(id, 9), "the record put again")
        },
        Case(name: "refusesEveryExpectationThatDoesNotHold") { place in
            let store = try await place.make()
            let present = try recordID(1)
            let absent = try recordID(2)
            try await store.commit([put(present, 5)], ifHeaderGeneration: 1)
            let refused: [(String, RecordChange)] = [
                ("putting where a record is", put(present, 6)),
                ("replacing a newer record", put(present, 6, replacing: 4)),
                ("replacing an older record", put(present, 7, replacing: 6)),
                ("replacing what is not there", put(absent, 6, replacing: 5)),
                ("replacing generation 0 of what is not there", put(absent, 6, replacing: 0)),
                ("deleting another generation", .delete(present, generation: 4)),
                ("deleting what is not there", .delete(absent, generation: 0)),
            ]
            for (what, change) in refused {
                try await expectRefusal(.conflict, what) { try await store.commit([change], ifHeaderGeneration: 1) }
            }
            try expectEqual(try await store.records(after: nil, limit: 9), [record(present, 5)], "the records")
        },
        Case(name: "appliesAllChangesOfACommitOrNone") { place in
            let store = try await place.make()
            let kept = try recordID(200)
            try await store.commit([put(kept, 1)], ifHeaderGeneration: 1)
            // The one that fails stands first, in the middle and last.
            for position in [0, 30, 61] {
                var changes = try (0..<61).map { put(try recordID(UInt8($0)), 1) }
                changes.append(.delete(kept, generation: 1))
                changes.insert(put(try recordID(100), 2, replacing: 1), at: position)
                try await expectRefusal(.conflict, "a commit whose change \(position) fails") {
                    try await store.commit(changes, ifHeaderGeneration: 1)
                }
                try expectEqual(try await store.records(after: nil, limit: 99), [record(kept, 1)], "the records")
            }
        },
        Case(name: "takesSixtyFourChangesAndNoMore") { place in
            let store = try await place.make()
            let changes = try (0..<65).map { put(try recordID(UInt8($0)), 1) }
            try await expectRefusal(.invalid, "65 changes") {
                try await store.commit(changes, ifHeaderGeneration: 1)
            }
            try expectEqual(try await store.records(after: nil, limit: 99).count, 0, "the count of records")
            try await store.commit(Array(changes.prefix(64)), ifHeaderGeneration: 1)
            try expectEqual(try await store.records(after: nil, limit: 99).count, 64, "the count of records")
        },
        Case(name: "refusesAnIdThatStandsTwiceInACommit") { place in
            let store = try await place.make()
            let id = try recordID(1)
            try await expectRefusal(.invalid, "two puts of one id") {
                try await store.commit([put(id, 1), put(id, 2, replacing: 1)], ifHeaderGeneration: 1)
            }
            try await expectRefusal(.invalid, "a put and a deletion of one id") {
                try await store.commit([put(id, 1), .delete(id, generation: 1)], ifHeaderGeneration: 1)
            }
            try expectEqual(try await store.record(id), nil, "the record")
        },
        Case(name: "takesARecordOfOneMebibyteAndNoMore") { place in
            let store = try await place.make()
            let full = record(try recordID(1), 1, [UInt8](repeating: 0x5A, count: 1 << 20))
            try await store.commit([.put(full, replacing: nil)], ifHeaderGeneration: 1)
            try expect(try await store.record(full.id) == full, "the record of 1 MiB did not come back as written")
            let over = record(try recordID(2), 1, [UInt8](repeating: 0x5A, count: 1 << 20 + 1))
            try await expectRefusal(.invalid, "a record of 1 MiB and a byte") {
                try await store.commit([put(try recordID(3), 1), .put(over, replacing: nil)], ifHeaderGeneration: 1)
            }
            try expectEqual(try await store.records(after: nil, limit: 9).count, 1, "the count of records")
        },
        Case(name: "refusesAChangeUnderAnotherHeader") { place in
            let store = try await place.make()
            let id = try recordID(1)
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
            for generation in [0, 1, 3] as [UInt64] {
                try await expectRefusal(.headerMoved, "a commit under header generation \(generation)") {
                    try await store.commit([put(id, 1)], ifHeaderGeneration: generation)
                }
            }
            try await expectRefusal(.headerMoved, "an empty commit under an old header") {
                try await store.commit([], ifHeaderGeneration: 1)
            }
            try expectEqual(try await store.record(id), nil, "the record")
            try await store.commit([put(id, 1)], ifHeaderGeneration: 2)
            try expectEqual(try await store.record(id), record(id, 1), "the record")
        },
        Case(name: "keepsEverythingWhenItIsOpenedAgain") { place in
            let store = try await place.make()
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: [4, 5]), ifGeneration: 1)
            try await store.commit([put(try recordID(1), 3), put(try recordID(2), 4)], ifHeaderGeneration: 2)
            let before = try await place.snapshot?()
            let again = try await place.reopen()
            try expectEqual(try await again.header(), StoredHeader(generation: 2, bytes: [4, 5]), "the header")
            let records = [record(try recordID(1), 3), record(try recordID(2), 4)]
            try expectEqual(try await again.records(after: nil, limit: 9), records, "the records")
            try expectEqual(try await again.record(try recordID(2)), records[1], "the second record")
            try expectEqual(try await again.changeCounter(), try await store.changeCounter(), "the change counter")
            try expect(try await place.snapshot?() == before, "opening and reading changed what the store keeps")
        },
    ]
}
