internal import VaultStorage

extension RecordStoreConformance {
    static let headerCases: [Case] = [
        Case(name: "givesBackTheHeaderItWasMadeWith") { place in
            let header = StoredHeader(generation: 7, bytes: Array(0...255))
            let store = try await place.create(header)
            try expectEqual(try await store.header(), header, "the header")
        },
        Case(name: "replacesTheHeaderOfTheExpectedGeneration") { place in
            let store = try await place.make()
            let next = StoredHeader(generation: 5, bytes: [])
            try await store.replaceHeader(next, ifGeneration: 1)
            try expectEqual(try await store.header(), next, "the header")
        },
        Case(name: "keepsTheHeaderWhereAnotherGenerationIsExpected") { place in
            let store = try await place.make()
            let before = try await store.header()
            try await expectRefusal(.headerMoved, "a header expected at generation 2") {
                try await store.replaceHeader(StoredHeader(generation: 3, bytes: [9]), ifGeneration: 2)
            }
            try await expectRefusal(.headerMoved, "a header expected at generation 0") {
                try await store.replaceHeader(StoredHeader(generation: 3, bytes: [9]), ifGeneration: 0)
            }
            try expectEqual(try await store.header(), before, "the header")
        },
        Case(name: "refusesAHeaderThatDoesNotGrow") { place in
            let store = try await place.create(StoredHeader(generation: 4, bytes: [1]))
            for generation in [4, 3, 0] as [UInt64] {
                try await expectRefusal(.invalid, "generation \(generation) after 4") {
                    try await store.replaceHeader(StoredHeader(generation: generation, bytes: [9]), ifGeneration: 4)
                }
            }
            try expectEqual(try await store.header(), StoredHeader(generation: 4, bytes: [1]), "the header")
        },
        Case(name: "takesAHeaderOfOneMebibyteAndNoMore") { place in
            let store = try await place.make()
            let full = StoredHeader(generation: 2, bytes: [UInt8](repeating: 0xA5, count: 1 << 20))
            try await store.replaceHeader(full, ifGeneration: 1)
            try await expectRefusal(.invalid, "a header of 1 MiB and a byte") {
                let bytes = [UInt8](repeating: 0xA5, count: 1 << 20 + 1)
                try await store.replaceHeader(StoredHeader(generation: 3, bytes: bytes), ifGeneration: 2)
            }
            try expect(try await store.header() == full, "the header of 1 MiB did not stay as it was written")
        },
        Case(name: "takesTheGreatestGenerationAndNoMore") { place in
            let store = try await place.make()
            try await expectRefusal(.invalid, "a header of generation 2^63") {
                try await store.replaceHeader(StoredHeader(generation: 1 << 63, bytes: []), ifGeneration: 1)
            }
            let last = StoredHeader(generation: RecordLimits.generation, bytes: [])
            try await store.replaceHeader(last, ifGeneration: 1)
            try expectEqual(try await store.header(), last, "the header")
            let id = try recordID(1)
            try await expectRefusal(.invalid, "a record of generation 2^63") {
                try await store.commit([put(id, 1 << 63)], ifHeaderGeneration: last.generation)
            }
            try await store.commit([put(id, RecordLimits.generation)], ifHeaderGeneration: last.generation)
            try expectEqual(try await store.record(id), record(id, RecordLimits.generation), "the record")
        },
    ]
}
