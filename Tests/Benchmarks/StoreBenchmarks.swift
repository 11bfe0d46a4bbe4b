internal import EtcdStorage
internal import Foundation
internal import VaultStorage

/// What each backend costs, at several sizes, beside SQLite in the same run.
///
/// The records are random bytes of the size of an ordinary entry: sealing costs the same in front of every store. The
/// hand-over is the time from one process's letting go of a lease until another one, which waits for it, has it.
///
///     vault-bench stores DIRECTORY etcd://HOST:PORT|- [SIZE…]
enum StoreBenchmarks {
    private static let recordBytes = 2048
    private static let name = LeaseName([UInt8](repeating: 7, count: 16))

    /// One backend, and where its stores are made.
    private enum Backend: String, CaseIterable {
        case sqlite
        case directory
        case etcd
    }

    static func run(_ arguments: [String]) async throws {
        guard arguments.count >= 2 else {
            return print("usage: vault-bench stores DIRECTORY etcd://HOST:PORT|- [SIZE...]")
        }
        let sizes = arguments.dropFirst(2).compactMap { Int($0) }
        for size in sizes.isEmpty ? [10, 1000, 100_000] : sizes {
            var base: [String: Double] = [:]
            for backend in Backend.allCases where backend != .etcd || arguments[1] != "-" {
                let place = ["\(arguments[0])/\(size)", "\(arguments[1])/bench-\(UInt64.random(in: .min ... .max))"]
                for (what, milliseconds) in try await measure(backend, place, size) {
                    if backend == .sqlite { base[what] = milliseconds }
                    let ratio = milliseconds / (base[what] ?? milliseconds)
                    print(
                        "\(padded("\(size)", 8))\(padded(what, 12))\(padded(backend.rawValue, 12))"
                            + "\(padded("\(rounded(milliseconds)) ms", 16))\(rounded(ratio)) times sqlite"
                    )
                }
                if backend == .etcd { try await EtcdStore.remove(in: try cluster(place[1])) }
            }
        }
    }

    /// The other side of a hand-over: takes the lease and lets go of it, as the lines of its input say.
    static func hold(_ arguments: [String]) async throws {
        guard let backend = Backend(rawValue: arguments[0]), let name else { return }
        let store = try await open(backend, Array(arguments.dropFirst()))
        while readLine() != nil {
            let lease = try await store.lease(name, within: .seconds(60), clock: ContinuousClock())
            FileHandle.standardOutput.write(Data("held\n".utf8))
            _ = readLine()
            lease.release()
        }
    }

    // MARK: The measurements

    private static func measure(_ backend: Backend, _ place: [String], _ size: Int) async throws -> [(String, Double)] {
        let header = StoredHeader(generation: 1, bytes: [UInt8](repeating: 1, count: 300))
        let store: any RecordStore
        switch backend {
        case .sqlite:
            store = try await SQLiteStore.create(in: place[0] + "/sqlite", locks: place[0] + "/locks", header: header)
        case .directory:
            store = try await DirectoryStore.create(
                in: place[0] + "/directory",
                locks: place[0] + "/locks",
                header: header
            )
        case .etcd:
            store = try await EtcdStore.create(in: try cluster(place[1]), locks: place[0] + "/locks", header: header)
        }
        let start = ContinuousClock.now
        let ids = try await fill(store, size)
        let filling = milliseconds(ContinuousClock.now - start) / Double(size)
        let get = try await median(20) { turn in
            let found = try await store.record(ids[turn * 7919 % ids.count])
            precondition(found?.sealed.count == recordBytes, "not what was put")
        }
        let put = try await median(20) { turn in
            let change = RecordChange.put(record(random(), UInt8(turn)), replacing: nil)
            try await store.commit([change], ifHeaderGeneration: 1)
        }
        let list = try await median(size > 10_000 ? 1 : 5) { _ in
            var (last, count): (RecordID?, Int) = (nil, 0)
            while true {
                let page = try await store.records(after: last, limit: 64)
                guard let end = page.last else { break }
                last = end.id
                count += page.count
            }
            precondition(count == size + 20, "\(count) records of \(size + 20)")
        }
        let handOver = try await handOver(backend, place, store)
        return [("fill, each", filling), ("get", get), ("put", put), ("list", list), ("hand-over", handOver)]
    }

    private static func fill(_ store: any RecordStore, _ size: Int) async throws -> [RecordID] {
        var ids: [RecordID] = []
        while ids.count < size {
            let batch = (0..<min(RecordLimits.changesPerCommit, size - ids.count)).map { _ in random() }
            let changes = batch.map { RecordChange.put(record($0, 0), replacing: nil) }
            try await store.commit(changes, ifHeaderGeneration: 1)
            ids += batch
        }
        return ids
    }

    private static func handOver(_ backend: Backend, _ place: [String], _ store: any RecordStore) async throws -> Double
    {
        guard let name else { return 0 }
        let other = Process()
        other.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        other.arguments = ["hold", backend.rawValue] + place
        let (input, output) = (Pipe(), Pipe())
        other.standardInput = input
        other.standardOutput = output
        try other.run()
        defer { other.waitUntilExit() }
        defer { try? input.fileHandleForWriting.close() }
        var times: [Double] = []
        for _ in 0..<20 {
            input.fileHandleForWriting.write(Data("take\n".utf8))
            precondition(!output.fileHandleForReading.availableData.isEmpty, "the other process ended")
            async let waiting = store.lease(name, within: .seconds(60), clock: ContinuousClock())
            // Until it has begun to wait.
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...150)))
            let start = ContinuousClock.now
            input.fileHandleForWriting.write(Data("release\n".utf8))
            let lease = try await waiting
            times.append(milliseconds(ContinuousClock.now - start))
            lease.release()
        }
        return times.sorted()[times.count / 2]
    }

    // MARK: Pieces

    private static func open(_ backend: Backend, _ place: [String]) async throws -> any RecordStore {
        switch backend {
        case .sqlite: try await SQLiteStore.open(in: place[0] + "/sqlite", locks: place[0] + "/locks")
        case .directory: try await DirectoryStore.open(in: place[0] + "/directory", locks: place[0] + "/locks")
        case .etcd: try await EtcdStore.open(in: try cluster(place[1]), locks: place[0] + "/locks-of-another")
        }
    }

    private static func cluster(_ address: String) throws -> EtcdCluster {
        guard let address = EtcdAddress(address.dropFirst("etcd://".count)) else {
            throw StoreError(.misconfigured, address, "is no address of a cluster")
        }
        return EtcdCluster(address)
    }

    private static func random() -> RecordID {
        guard let id = RecordID((0..<32).map { _ in UInt8.random(in: 0...255) }) else {
            preconditionFailure("an id of another size")
        }
        return id
    }

    private static func record(_ id: RecordID, _ byte: UInt8) -> StoredRecord {
        StoredRecord(id: id, generation: 1, sealed: [UInt8](repeating: byte, count: recordBytes))
    }

    private static func median(_ count: Int, _ body: (Int) async throws -> Void) async rethrows -> Double {
        var times: [Double] = []
        for turn in 0..<count {
            let start = ContinuousClock.now
            try await body(turn)
            times.append(milliseconds(ContinuousClock.now - start))
        }
        return times.sorted()[count / 2]
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) * 1e3 + Double(duration.components.attoseconds) / 1e15
    }

    private static func rounded(_ number: Double) -> String { "\((number * 1000).rounded() / 1000)" }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
