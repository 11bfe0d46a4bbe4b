import Foundation
import TestSupport
import Testing

/// A vault in a cluster that goes away and comes back.
@Suite(.blocking)
struct RemoteStoreTests {
    private let home: Sandbox
    private let server: EtcdServer

    init() async throws {
        home = try Sandbox()
        home.environment["XDG_CACHE_HOME"] = home.path("cache")
        server = try await EtcdServer()
        try succeed(
            home.vault(
                "init",
                "--store",
                "etcd://127.0.0.1:\(server.port)/test",
                "--key",
                "key-file:" + home.path("key"),
                "--no-recovery-code"
            )
        )
    }

    private func take(_ name: String, access: String, expiry: String, from endpoint: String) throws {
        let file = try home.writeToken("\(name).json", access: access, refresh: "RT-\(name)", expiry: expiry)
        try succeed(
            home.vault(
                "import",
                file,
                "--yes",
                "--remove",
                "--name",
                name,
                "--token-url",
                endpoint,
                "--client-id",
                "public"
            )
        )
    }

    @Test func worksFromTheCacheWhileTheClusterIsAway() async throws {
        let authority = try OAuthServer()
        let endpoint = "\(authority.base)/token"
        try take("valid", access: "AT-VALID", expiry: "2099-01-01T00:00:00Z", from: endpoint)
        try take("expired", access: "AT-EXPIRED", expiry: "2020-01-01T00:00:00Z", from: endpoint)
        try home.keep("never", "unread")
        #expect(try succeed(home.vault("list", "--json")).object().objects("entries").count == 3)
        let asked = try log(of: authority)
        server.kill()
        let token = try succeed(home.vault("token", "valid"))
        #expect(token.text == "AT-VALID\n")
        #expect(token.notes.contains("read from the cache on this machine"))
        fail(try home.vault("token", "expired"), 9)
        #expect(try home.vault("token", "expired").notes.contains("cannot be reached, so nothing was refreshed"))
        fail(try home.vault("token", "valid", "--refresh"), 9)
        fail(try home.vault("set", "static:new", input: Array("value".utf8)), 8)
        fail(try home.vault("remove", "valid", "--yes"), 8)
        #expect(try home.vault("list", "--json").object().objects("entries").count == 3)
        #expect(try succeed(home.vault("status")).text.contains("read from the cache"))
        #expect(try log(of: authority) == asked)
        try await server.start()
        try succeed(home.vault("set", "static:new", input: Array("value".utf8)))
        #expect(try succeed(home.vault("token", "static:new")).text == "value\n")
        let back = try succeed(home.vault("token", "valid"))
        #expect(back.text == "AT-VALID\n" && !back.notes.contains("cache"))
    }

    @Test func theAgentHandsOutWhatItHasSeenWhileTheClusterIsAway() async throws {
        try take("valid", access: "AT-VALID", expiry: "2099-01-01T00:00:00Z", from: "http://127.0.0.1:9/token")
        try take("expired", access: "AT-EXPIRED", expiry: "2020-01-01T00:00:00Z", from: "http://127.0.0.1:9/token")
        try succeed(home.vault("unlock"))
        #expect(try succeed(home.vault("token", "valid")).text == "AT-VALID\n")
        fail(try home.vault("token", "expired"), 9)
        server.kill()
        let token = try succeed(home.vault("token", "valid"))
        #expect(token.text == "AT-VALID\n")
        fail(try home.vault("token", "expired"), 9)
        fail(try home.vault("set", "static:new", input: Array("value".utf8)), 8)
    }

    @Test func keepsItsCacheToItselfAndRemovesItWithTheVault() throws {
        try home.keep("canary", "CANARY-VALUE")
        #expect(try home.vault("token", "static:canary").text == "CANARY-VALUE\n")
        let files = try FileManager.default.subpathsOfDirectory(atPath: home.path("cache"))
        #expect(files.contains { $0.hasSuffix("cache.sqlite") })
        for file in files {
            let path = home.path("cache/\(file)")
            let mode = Sandbox.mode(path)
            #expect(mode & 0o077 == 0)
            let bytes = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
            #expect(!bytes.contains("CANARY-VALUE") && !bytes.contains("canary"))
        }
        try succeed(home.vault("destroy", "--yes"))
        let left = try FileManager.default.subpathsOfDirectory(atPath: home.path("cache"))
        #expect(!left.contains { $0.hasSuffix("cache.sqlite") })
    }

    @Test func aVaultThatWasNeverSeenIsOutOfReach() throws {
        server.kill()
        fail(try home.vault("token", "static:none", environment: ["XDG_CACHE_HOME": home.path("other")]), 8)
    }

    /// The authorization server's own log.
    private func log(of authority: OAuthServer) throws -> String {
        try home.run(["curl", "-s", "--noproxy", "*", "\(authority.base)/_log"]).text
    }
}
