import FoundationEssentials
import TestSupport
import Testing
import VaultStorage

@testable import EtcdStorage

struct EtcdIdentityTests {
    private static let password = "correct horse 7"

    /// A member that asks who its users are; `broker` may read and write below `vault/`.
    private func server() async throws -> EtcdServer {
        let server = try await EtcdServer(arguments: ["--auth-token-ttl", "5"])
        _ = try server.control("user", "add", "root:rootpw")
        _ = try server.control("user", "grant-role", "root", "root")
        _ = try server.control("role", "add", "vaults")
        _ = try server.control("role", "grant-permission", "vaults", "--prefix=true", "readwrite", "vault/")
        _ = try server.control("user", "add", "broker:\(Self.password)")
        _ = try server.control("user", "grant-role", "broker", "vaults")
        _ = try server.control("auth", "enable")
        return server
    }

    private func cluster(_ server: EtcdServer, _ scratch: Scratch, prefix: String = "vault") -> EtcdCluster {
        var cluster = EtcdCluster.local(server.port, prefix: prefix)
        cluster.user = .init(name: "broker", passwordFile: scratch("password"))
        return cluster
    }

    @Test func userAndPasswordOpenTheCluster() async throws {
        let server = try await server()
        let scratch = try Scratch()
        try scratch.write(Self.password + "\n", to: "password")
        let cluster = cluster(server, scratch)
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        try await store.commit([put(1, 1)], ifHeaderGeneration: 1)
        // A member that was started anew knows none of the tokens that it gave out.
        server.kill()
        try await server.start()
        try await eventually("the member is back") { (try? await store.record(recordID(1))) != nil }
        let lease = try #require(try await store.tryLease(leaseName(1)))
        try await store.commit([put(1, 2, replacing: 1)], ifHeaderGeneration: 1, holding: lease)
        lease.release()
        #expect(try await store.record(recordID(1))?.generation == 2)
    }

    /// A gateway may quote the request that it cannot handle.
    @Test(arguments: [2, 3, 14]) func nothingThatWasSentIsRepeated(code: Int) {
        let refusal = EtcdRefusal(code: code, words: #"cannot handle {"name":"broker","password":"\#(Self.password)"}"#)
        let error = refusal.error(.local(1, prefix: "vault"))
        #expect(!"\(error) \(error.hint ?? "") \(refusal.shown)".contains(Self.password))
        let known = EtcdRefusal(code: 14, words: "etcdserver: no leader").error(.local(1, prefix: "vault"))
        #expect(known.message.contains("no leader"))
    }

    @Test func whatTheClusterRefusesIsASetting() async throws {
        let server = try await server()
        let scratch = try Scratch()
        func refusal(_ cluster: EtcdCluster) async -> StoreError? {
            await #expect(throws: StoreError.self) {
                _ = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
            }
        }
        let known = cluster(server, scratch)
        var error = await refusal(known)
        #expect(error?.code == .misconfigured, "no password file")
        try scratch.write("wrong horse", to: "password")
        error = await refusal(known)
        #expect(error?.code == .misconfigured && error?.message.contains("broker") == true)
        #expect("\(error as Any) \(error?.hint ?? "")".contains("horse") == false)
        try scratch.write(Self.password, to: "password", mode: 0o644)
        error = await refusal(known)
        #expect(error?.code == .unsafe, "a password that others can read")
        try scratch.write(Self.password, to: "password")
        error = await refusal(cluster(server, scratch, prefix: "others"))
        #expect(error?.code == .misconfigured && error?.message.contains("others/") == true)
        #expect("\(error as Any) \(error?.underlying as Any)".contains(Self.password) == false)
        var nobody = known
        nobody.user = nil
        error = await refusal(nobody)
        #expect(error?.code == .misconfigured && error?.hint?.contains("password_file") == true)
        let open = cluster(try await SharedServer.get(), scratch)
        error = await refusal(open)
        #expect(error?.code == .misconfigured && error?.hint?.contains("auth enable") == true)
    }
}
