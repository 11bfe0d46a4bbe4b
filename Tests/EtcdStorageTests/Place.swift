import EtcdStorage
import FoundationEssentials
import Synchronization
import TestSupport
import VaultAPI
import VaultStorage

/// A directory of its own for one test, removed with it.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appending(path: "vault-etcd-test-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of what is called `name` in it.
    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file of that mode.
    func write(_ text: String, to name: String, mode: Int = 0o600) throws {
        try text.write(toFile: self(name), atomically: false, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: self(name))
    }
}

/// The member that most tests share, each below a prefix of its own.
enum SharedServer {
    private static let starting = Task { try await EtcdServer() }

    static func get() async throws -> EtcdServer { try await starting.value }

    /// A cluster of that member, with a prefix nobody else has.
    static func cluster() async throws -> EtcdCluster {
        EtcdCluster.local(try await get().port, prefix: "test/\(UUID().uuidString)")
    }
}

extension EtcdCluster {
    static func local(_ ports: Int..., prefix: String = "vault") -> EtcdCluster {
        EtcdCluster(
            endpoints: ports.map { Endpoint(member: .init(host: "127.0.0.1", port: $0), isSecure: false) },
            prefix: prefix
        )
    }
}

let firstHeader = StoredHeader(generation: 1, bytes: [1, 2, 3])

func recordID(_ first: UInt8) -> RecordID {
    guard let id = RecordID([first] + [UInt8](repeating: 0, count: 31)) else { preconditionFailure("a record id") }
    return id
}

func leaseName(_ last: UInt8) -> LeaseName {
    guard let name = LeaseName([UInt8](repeating: 0, count: 15) + [last]) else { preconditionFailure("a lease name") }
    return name
}

func put(_ first: UInt8, _ generation: UInt64, replacing: UInt64? = nil, _ bytes: [UInt8] = [7]) -> RecordChange {
    .put(StoredRecord(id: recordID(first), generation: generation, sealed: bytes), replacing: replacing)
}
