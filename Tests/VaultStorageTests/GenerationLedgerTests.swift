import Glibc
import Testing
import VaultStorage

struct GenerationLedgerTests {
    private func seen(_ generation: UInt64, _ digest: UInt8 = 1, counter: UInt64 = 0) -> SeenHeader {
        SeenHeader(
            generation: generation,
            digest: [UInt8](repeating: digest, count: SeenHeader.digestLength),
            changeCounter: counter
        )
    }

    @Test func hasSeenNothingWhereThereIsNoFile() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        #expect(ledger.isWritable)
        #expect(try await ledger.header() == nil)
        #expect(try await ledger.generation(of: try recordID(1)) == nil)
        #expect(try await ledger.generations() == [:])
        try await ledger.raise(header: nil, records: [:])
        #expect(try names(in: place.path) == [], "looking made something")
    }

    @Test func remembersWhatItIsTold() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: seen(3, counter: 8), records: [try recordID(1): 5, try recordID(2): 0])
        for ledger in [ledger, try await GenerationLedger.open(place("state"))] {
            #expect(try await ledger.header() == seen(3, counter: 8))
            #expect(try await ledger.generation(of: try recordID(1)) == 5)
            #expect(try await ledger.generation(of: try recordID(2)) == 0)
            #expect(try await ledger.generations() == [recordID(1): 5, recordID(2): 0])
        }
        #expect(try mode(of: place("state")) == 0o700)
        #expect(try mode(of: place("state/seen.sqlite")) == 0o600)
    }

    @Test(arguments: Raise.all)
    func raisesAHeaderOnlyUpwards(_ raise: Raise) async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: raise.first, records: [:])
        try await ledger.raise(header: raise.second, records: [:])
        #expect(try await ledger.header() == raise.result)
    }

    @Test func raisesRecordsOnlyUpwards() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: nil, records: [try recordID(1): 5, try recordID(2): 5])
        // One rises and one does not, in one call.
        try await ledger.raise(header: nil, records: [try recordID(1): 4, try recordID(2): 6])
        #expect(try await ledger.generations() == [recordID(1): 5, recordID(2): 6])
        #expect(try await ledger.header() == nil)
    }

    @Test func writesNothingWhereNothingRises() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: seen(3), records: [try recordID(1): 5])
        let before = try bytes(place("state/seen.sqlite"))
        try await ledger.raise(header: seen(3), records: [try recordID(1): 5])
        try await ledger.raise(header: seen(2), records: [try recordID(1): 4])
        #expect(try bytes(place("state/seen.sqlite")) == before)
    }

    @Test func losesNoRaiseAmongMany() async throws {
        let place = try TemporaryDirectory()
        // None of them finds a file, so all try to make it.
        var ledgers: [GenerationLedger] = []
        for _ in 0..<8 { ledgers.append(try await GenerationLedger.open(place("state"))) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, ledger) in ledgers.enumerated() {
                group.addTask {
                    let own = try recordID(UInt8(index + 1))
                    for generation in 1...5 as ClosedRange<UInt64> {
                        let shared = generation * 10 + UInt64(index)
                        try await ledger.raise(header: nil, records: [own: generation, try recordID(0): shared])
                    }
                }
            }
            try await group.waitForAll()
        }
        var expected = [try recordID(0): UInt64(57)]
        for index in 1...8 as ClosedRange<UInt8> { expected[try recordID(index)] = 5 }
        #expect(try await ledgers[0].generations() == expected)
        #expect(try names(in: place("state")).allSatisfy { $0.hasPrefix("seen.sqlite") && !$0.hasSuffix(".new") })
    }

    @Test func followsRecordsToTheirNewIds() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(
            header: nil,
            records: [try recordID(1): 5, try recordID(2): 9, try recordID(13): 8, try recordID(4): 1]
        )
        try await ledger.replace([
            (old: try recordID(1), new: try recordID(11), generation: 6),
            // It was older than what had been seen, and stays so.
            (old: try recordID(2), new: try recordID(12), generation: 3),
            (old: try recordID(3), new: try recordID(13), generation: 2),
        ])
        let expected =
            [try recordID(11): 6, try recordID(12): 9, try recordID(13): 8, try recordID(4): 1] as [RecordID: UInt64]
        #expect(try await ledger.generations() == expected)
    }

    @Test func acceptsAnOlderHeaderButKeepsTheRecords() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: seen(9, counter: 90), records: [try recordID(1): 5])
        try await ledger.accept(header: seen(2, 7, counter: 20))
        #expect(try await ledger.header() == seen(2, 7, counter: 20))
        #expect(try await ledger.generations() == [recordID(1): 5])
    }

    @Test func refusesWhatItCannotKeep() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await expectRefusal(.invalid) { try await ledger.raise(header: nil, records: [try recordID(1): 1 << 63]) }
        try await expectRefusal(.invalid) { try await ledger.raise(header: seen(1 << 63), records: [:]) }
        try await expectRefusal(.invalid) {
            try await ledger.raise(header: SeenHeader(generation: 1, digest: [1], changeCounter: 0), records: [:])
        }
        #expect(try names(in: place.path) == [])
    }

    @Test func reportsDamage() async throws {
        let place = try TemporaryDirectory()
        try check(mkdir(place("state"), 0o700), "mkdir")
        try write(Array("garbage".utf8), to: place("state/seen.sqlite"))
        try await expectRefusal(.damaged) { _ = try await GenerationLedger.open(place("state")) }
        #expect(try bytes(place("state/seen.sqlite")) == Array("garbage".utf8))
        // A vault is no ledger.
        _ = try await place.makeStore()
        unlink(place("state/seen.sqlite"))
        try check(rename(place.database, place("state/seen.sqlite")), "rename")
        try await expectRefusal(.damaged) { _ = try await GenerationLedger.open(place("state")) }
    }

    @Test(arguments: ["UPDATE header SET digest = x'00'", "UPDATE header SET generation = -1", "DROP TABLE header"])
    func reportsADamagedHeader(_ damage: String) async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: seen(3), records: [:])
        try runSQL(damage, on: place("state/seen.sqlite"))
        try await expectRefusal(.damaged) { _ = try await ledger.header() }
        try await expectRefusal(.damaged) { try await ledger.raise(header: seen(4), records: [:]) }
    }

    @Test func refusesAWideFile() async throws {
        let place = try TemporaryDirectory()
        try await GenerationLedger.open(place("state")).raise(header: seen(3), records: [:])
        try check(chmod(place("state/seen.sqlite"), 0o644), "chmod")
        try await expectRefusal(.unsafe) { _ = try await GenerationLedger.open(place("state")) }
    }

    @Test func beginsAnewWhereItWasRemoved() async throws {
        let place = try TemporaryDirectory()
        let ledger = try await GenerationLedger.open(place("state"))
        try await ledger.raise(header: seen(3), records: [:])
        try GenerationLedger.remove(place("state"))
        #expect(try names(in: place.path) == [])
        #expect(try await ledger.header() == nil)
        try await ledger.raise(header: seen(1), records: [:])
        #expect(try await GenerationLedger.open(place("state")).header() == seen(1))
        try GenerationLedger.remove(place("state"))
        try GenerationLedger.remove(place("state"))
    }

    @Test func worksWithoutAPlace() async throws {
        let ledger = try await GenerationLedger.open("")
        #expect(!ledger.isWritable)
        try await ledger.raise(header: seen(3), records: [:])
        #expect(try await ledger.header() == nil)
    }
}

struct Raise: Sendable {
    let first: SeenHeader
    let second: SeenHeader
    let result: SeenHeader

    static let all = [
        Raise(first: seen(3, 1, 10), second: seen(4, 2, 11), result: seen(4, 2, 11)),
        // Another store counts its own changes, and a move to it raises the header.
        Raise(first: seen(3, 1, 10), second: seen(4, 2, 9), result: seen(4, 2, 9)),
        Raise(first: seen(3, 1, 10), second: seen(3, 1, 12), result: seen(3, 1, 12)),
        Raise(first: seen(3, 1, 10), second: seen(3, 1, 9), result: seen(3, 1, 10)),
        Raise(first: seen(3, 1, 10), second: seen(3, 2, 12), result: seen(3, 1, 10)),
        Raise(first: seen(3, 1, 10), second: seen(2, 1, 12), result: seen(3, 1, 10)),
    ]

    private static func seen(_ generation: UInt64, _ digest: UInt8, _ counter: UInt64) -> SeenHeader {
        SeenHeader(generation: generation, digest: [UInt8](repeating: digest, count: 32), changeCounter: counter)
    }
}
