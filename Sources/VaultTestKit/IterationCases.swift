internal import VaultStorage

extension RecordStoreConformance {
    static let iterationCases: [Case] = [
        Case(name: "iteratesInAscendingOrderOfIds") { place in
            let store = try await place.make()
            // Bytes from 0x80 up sort last only where they count as unsigned.
            let ids = try [recordID(0x80), recordID(0), recordID(0xFF), recordID(0x7F), recordID(1, 0xFF), recordID(1)]
            for id in ids { try await store.commit([put(id, 1)], ifHeaderGeneration: 1) }
            let found = try await store.records(after: nil, limit: 99).map(\.id)
            try expectEqual(
                found,
                try [recordID(0), recordID(1), recordID(1, 0xFF), recordID(0x7F), recordID(0x80), recordID(0xFF)],
                "the ids"
            )
        },
        Case(name: "pagesWithoutGapOrRepetition") { place in
            let store = try await place.make()
            let ids = try (0..<50).map { try recordID(UInt8($0)) }
            try await store.commit(ids.shuffled().map { put($0, 1) }, ifHeaderGeneration: 1)
            for limit in [1, 7, 49, 50, 51] {
                var found: [RecordID] = []
                while true {
                    let page = try await store.records(after: found.last, limit: limit)
                    try expect(page.count <= limit, "a page of \(page.count) records, expected at most \(limit)")
                    if page.isEmpty { break }
                    found += page.map(\.id)
                    try expect(found.count <= ids.count, "pages of \(limit) repeat records")
                }
                try expectEqual(found, ids, "the ids in pages of \(limit)")
            }
        },
        Case(name: "beginsAfterAnIdThatIsNotThere") { place in
            let store = try await place.make()
            try await store.commit([put(try recordID(1), 1), put(try recordID(3), 1)], ifHeaderGeneration: 1)
            let after = try await store.records(after: try recordID(2), limit: 9)
            try expectEqual(after.map(\.id), [try recordID(3)], "the ids after 2")
            let none = try await store.records(after: try recordID(3), limit: 9)
            try expectEqual(none, [], "the records after the last")
            let zero = try await store.records(after: nil, limit: 0)
            try expectEqual(zero, [], "a page of no records")
        },
        Case(name: "pagesOnWhileOthersWrite") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let ids = try (0..<20).map { try recordID(UInt8($0 * 10)) }
            try await store.commit(ids.map { put($0, 1) }, ifHeaderGeneration: 1)
            var found: [RecordID] = []
            var ahead: [RecordID] = []
            var behind: [RecordID] = []
            var isLastDeleted = false
            while true {
                let page = try await store.records(after: found.last, limit: 3)
                guard let first = page.first?.id.bytes[0], let last = page.last?.id else { break }
                found += page.map(\.id)
                try expect(found.count < 60, "the iteration does not end")
                if first < last.bytes[0] { behind.append(try recordID(first, 1)) }
                if last.bytes[RecordID.length - 1] == 0 { ahead.append(try recordID(last.bytes[0], 2)) }
                let new = Set(behind + ahead).subtracting(try await store.records(after: nil, limit: 99).map(\.id))
                try await other.commit(new.map { put($0, 1) }, ifHeaderGeneration: 1)
                if !isLastDeleted {
                    try await other.commit([.delete(ids[19], generation: 1)], ifHeaderGeneration: 1)
                    isLastDeleted = true
                }
            }
            try expect(!ahead.isEmpty && !behind.isEmpty, "nothing was written during the iteration")
            try expectEqual(found, found.sorted(), "the order of what was found")
            let expected = Set(ids.dropLast() + ahead)
            try expectEqual(found.count, expected.count, "the count of what was found")
            try expectEqual(Set(found), expected, "what was there all the time or filed ahead")
        },
    ]

    static let counterCases: [Case] = [
        Case(name: "countsCommitsAndHeadersAndNothingElse") { place in
            let store = try await place.make()
            let other = try await place.reopen()
            let id = try recordID(1)
            let start = try await store.changeCounter()
            try await store.commit([put(id, 1)], ifHeaderGeneration: 1)
            let afterCommit = try await store.changeCounter()
            try expect(afterCommit > start, "a commit left the counter at \(afterCommit)")
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
            let afterHeader = try await store.changeCounter()
            try expect(afterHeader > afterCommit, "a header left the counter at \(afterHeader)")

            _ = try await store.header()
            _ = try await store.record(id)
            _ = try await store.records(after: nil, limit: 9)
            _ = try await store.changeCounter()
            _ = try await place.reopen().header()
            try await store.tryLease(try leaseName(1))?.release()
            try await expectRefusal(.conflict, "a second put") {
                try await store.commit([put(try recordID(2), 1), put(id, 1)], ifHeaderGeneration: 2)
            }
            try await expectRefusal(.headerMoved, "an old header") {
                try await store.commit([put(try recordID(2), 1)], ifHeaderGeneration: 1)
            }
            try await expectRefusal(.headerMoved, "a header expected at 1") {
                try await store.replaceHeader(StoredHeader(generation: 3, bytes: []), ifGeneration: 1)
            }
            try await expectRefusal(.invalid, "a header that does not grow") {
                try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 2)
            }
            try expectEqual(try await store.changeCounter(), afterHeader, "the counter after reads and failures")
            try expectEqual(try await other.changeCounter(), afterHeader, "the counter seen by another instance")
        }
    ]
}
