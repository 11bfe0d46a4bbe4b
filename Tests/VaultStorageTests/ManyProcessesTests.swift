import Testing
import VaultStorage

struct ManyProcessesTests {
    /// Each process counts up one record, again and again until no other was faster, and a record of its own.
    @Test func losesNoUpdate() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try await store.commit([.put(try record(0, 1), replacing: nil)], ifHeaderGeneration: 1)
        await withTaskGroup(of: Void.self) { group in
            for process in 1...8 as ClosedRange<UInt8> {
                group.addTask {
                    await #expect(processExitsWith: .success) {
                        [path = place.path as String, process = process as UInt8] in
                        let store = try await SQLiteStore.open(in: "\(path)/vault", locks: "\(path)/locks")
                        for count in 1...25 as ClosedRange<UInt64> {
                            try await increment(store, own: process, count)
                        }
                    }
                }
            }
        }
        #expect(try await store.record(try recordID(0))?.generation == 1 + 8 * 25)
        for process in 1...8 as ClosedRange<UInt8> {
            #expect(try await store.record(try recordID(process))?.generation == 25)
        }
        #expect(try await store.changeCounter() == 1 + 8 * 25)
    }
}

private func increment(_ store: SQLiteStore, own: UInt8, _ count: UInt64) async throws {
    while true {
        let shared = try #require(try await store.record(try recordID(0)))
        let changes: [RecordChange] = [
            .put(try record(0, shared.generation + 1), replacing: shared.generation),
            .put(try record(own, count), replacing: count == 1 ? nil : count - 1),
        ]
        do {
            return try await store.commit(changes, ifHeaderGeneration: 1)
        } catch {
            guard error.code == .conflict else { throw error }
        }
    }
}
