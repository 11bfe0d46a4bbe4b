import AsyncHTTPClient
import CredentialVault
import NIOCore
import NIOHTTP1
import Synchronization
import Testing
import VaultTestKit

/// Requests with tokens, to a real resource on loopback.
struct ResourceClientTests {
    private let broker = FixedTokenBroker(["work": ["at-1", "at-2", "at-3"]])

    private static func answer(_ status: String, _ fields: String = "", body: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\(fields)\r\n\(body)"
    }

    /// Refuses the first tokens, and takes any other.
    private static func refusing(_ tokens: String...) -> @Sendable (String) -> String {
        { request in
            let isRefused = tokens.contains { request.contains("Bearer \($0)\r\n") }
            return isRefused ? answer("401 Unauthorized", body: "no") : answer("200 OK", body: "yes")
        }
    }

    private func execute(_ request: HTTPClientRequest, at origin: String) async throws -> (UInt, String) {
        let answer = try await ResourceClient(broker, for: "work", at: origin).execute(request, timeout: .seconds(30))
        return (answer.status.code, String(buffer: try await answer.body.collect(upTo: 1 << 24)))
    }

    private func tokens(of listener: LoopbackListener) -> [String] {
        listener.requests.map { request in
            let line = request.split(separator: "\r\n").first { $0.lowercased().hasPrefix("authorization: ") }
            return line.map { String($0.dropFirst(15)) } ?? ""
        }
    }

    // MARK: The token goes along

    @Test func sendsTheTokenInTheHeaderAndNowhereElse() async throws {
        try await LoopbackListener.running { _ in
            Self.answer("200 OK", body: "yes")
        } whileIn: { resource in
            var request = HTTPClientRequest(url: "\(resource.url)/v1/user?a=b")
            request.headers.add(name: "X-Mine", value: "kept")
            request.headers.add(name: "authorization", value: "Bearer of-the-caller")
            request.headers.add(name: "Host", value: "elsewhere.example")
            let (status, body) = try await execute(request, at: resource.url)
            #expect(status == 200 && body == "yes")
            let seen = try #require(resource.requests.first)
            #expect(seen.hasPrefix("GET /v1/user?a=b HTTP/1.1\r\n"))
            #expect(seen.components(of: "at-1") == 1 && seen.contains("X-Mine: kept"))
            #expect(!seen.contains("of-the-caller") && !seen.contains("elsewhere.example"))
            #expect(tokens(of: resource) == ["Bearer at-1"])
            #expect(broker.calls.map(\.method) == ["GET"])
            #expect(broker.calls.map(\.url) == ["\(resource.url)/v1/user"])
        }
    }

    @Test func showsNoTokenInTheAnswer() async throws {
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { resource in
            let client = try ResourceClient(broker, for: "work", at: resource.url)
            let answer = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(30))
            var dumped = "\(answer)"
            dump(answer, to: &dumped)
            #expect(!dumped.contains("at-1"))
            #expect(answer.history.map(\.request.url) == [resource.url])
        }
    }

    @Test func theAnswerCanBeReadWhenTheClientIsGone() async throws {
        let body = String(repeating: "x", count: 1 << 22)
        try await LoopbackListener.running { _ in
            Self.answer("200 OK", body: body)
        } whileIn: { resource in
            let (_, whole) = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            #expect(whole == body)
        }
    }

    @Test func presentsABoundTokenWithItsProof() async throws {
        let bound = FixedTokenBroker(["work": [AccessToken(value: "at-1", type: "DPoP")]])
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { resource in
            var request = HTTPClientRequest(url: resource.url)
            request.headers.add(name: "dpop", value: "of-the-caller")
            let client = try ResourceClient(bound, for: "work", at: resource.url)
            _ = try await client.execute(request, timeout: .seconds(30))
            let seen = try #require(resource.requests.first)
            #expect(seen.contains("Authorization: DPoP at-1\r\n") && seen.contains("DPoP: fixed-proof\r\n"))
            #expect(!seen.contains("of-the-caller"))
        }
    }

    @Test func sendsNoLineBreakThatATokenHolds() async throws {
        let hostile = FixedTokenBroker(["work": ["at\r\nX-Injected: yes"]])
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { resource in
            let client = try ResourceClient(hostile, for: "work", at: resource.url)
            let error = await #expect(throws: VaultError.self) {
                _ = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(30))
            }
            #expect(error?.code == .unsafe && error?.description.contains("X-Injected") == false)
            #expect(resource.requests == [])
        }
    }

    // MARK: After a 401

    @Test func asksForANewTokenAfterA401AndTriesOnceMore() async throws {
        try await LoopbackListener.running(Self.refusing("at-1")) { resource in
            var request = HTTPClientRequest(url: resource.url)
            request.method = .POST
            request.body = .bytes(ByteBuffer(string: "the same body"))
            let (status, body) = try await execute(request, at: resource.url)
            #expect(status == 200 && body == "yes")
            #expect(tokens(of: resource) == ["Bearer at-1", "Bearer at-2"])
            #expect(resource.requests.allSatisfy { $0.hasSuffix("\r\n\r\nthe same body") })
            #expect(broker.calls.map { $0.requirements.rejected?.value } == [nil, "at-1"])
        }
    }

    @Test(arguments: ["array", "text", "nothing"])
    func sendsBytesAgainWhateverTheyCameIn(_ form: String) async throws {
        try await LoopbackListener.running(Self.refusing("at-1")) { resource in
            var request = HTTPClientRequest(url: resource.url)
            request.method = .POST
            if form == "array" { request.body = .bytes([UInt8](repeating: 65, count: 9)) }
            if form == "text" { request.body = .bytes("AAAAAAAAA".utf8, length: .known(Int64(9))) }
            let (status, _) = try await execute(request, at: resource.url)
            #expect(status == 200 && resource.requests.count == 2)
        }
    }

    @Test func passesTheSecond401On() async throws {
        try await LoopbackListener.running(Self.refusing("at-1", "at-2")) { resource in
            let (status, body) = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            #expect(status == 401 && body == "no")
            #expect(tokens(of: resource) == ["Bearer at-1", "Bearer at-2"])
        }
    }

    @Test func spendsNoFurtherTokenWhileTheNewOneIsRefusedToo() async throws {
        try await LoopbackListener.running(Self.refusing("at-1", "at-2", "at-3")) { resource in
            let client = try ResourceClient(broker, for: "work", at: resource.url)
            for _ in 0..<3 {
                let answer = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(60))
                #expect(answer.status == .unauthorized)
            }
            #expect(broker.calls.count { $0.requirements.rejected != nil } == 1)
        }
    }

    @Test func sendsNoStreamTwice() async throws {
        try await LoopbackListener.running(Self.refusing("at-1")) { resource in
            var request = HTTPClientRequest(url: resource.url)
            request.method = .POST
            let stream = AsyncStream<ByteBuffer> { continuation in
                continuation.yield(ByteBuffer(string: "once"))
                continuation.finish()
            }
            request.body = .stream(stream, length: .known(Int64(4)))
            let (status, _) = try await execute(request, at: resource.url)
            #expect(status == 401 && resource.requests.count == 1)
            // The next request has the new token all the same.
            #expect(try await execute(HTTPClientRequest(url: resource.url), at: resource.url).0 == 200)
            #expect(tokens(of: resource) == ["Bearer at-1", "Bearer at-2"])
        }
    }

    @Test(arguments: ["403 Forbidden", "404 Not Found", "500 Internal Server Error"])
    func asksForNoNewTokenAfterAnythingElse(_ status: String) async throws {
        try await LoopbackListener.running { _ in
            Self.answer(status)
        } whileIn: { resource in
            let (seen, _) = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            #expect(seen == UInt(status.prefix(3)))
            #expect(resource.requests.count == 1 && broker.calls.count == 1)
        }
    }

    /// RFC 9449 §9: "supplying a nonce and an error message indicating that a nonce is to be used".
    private static let challenge = "WWW-Authenticate: DPoP error=\"use_dpop_nonce\"\r\nDPoP-Nonce: n1\r\n"

    @Test func sendsTheRequestAgainWithTheNonceThatIsWanted() async throws {
        let asked = Mutex(false)
        try await LoopbackListener.running { _ in
            let isFirst = asked.withLock { asked in
                defer { asked = true }
                return !asked
            }
            return isFirst
                ? Self.answer("401 Unauthorized", Self.challenge) : Self.answer("200 OK", "DPoP-Nonce: n2\r\n")
        } whileIn: { resource in
            let client = try ResourceClient(broker, for: "work", at: resource.url)
            for _ in 0..<2 {
                let answer = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(30))
                #expect(answer.status == .ok)
            }
            // No new token, and the nonce of each answer goes into the next request.
            #expect(tokens(of: resource) == ["Bearer at-1", "Bearer at-1", "Bearer at-1"])
            #expect(broker.calls.map(\.requirements.dpopNonce) == [nil, "n1", "n2"])
        }
    }

    @Test func asksForNoNewTokenWhereANonceIsWanted() async throws {
        try await LoopbackListener.running { _ in
            Self.answer("401 Unauthorized", Self.challenge)
        } whileIn: { resource in
            let (status, _) = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            #expect(status == 401)
            #expect(broker.calls.map(\.requirements.dpopNonce) == [nil, "n1"])
            #expect(broker.calls.allSatisfy { $0.requirements.rejected == nil })
        }
    }

    /// A word in a description is no error code.
    @Test func aDescriptionThatSpeaksOfNoncesWantsNone() async throws {
        let challenge = #"WWW-Authenticate: Bearer error="invalid_token", error_description="no use_dpop_nonce here""#
        try await LoopbackListener.running { request in
            guard request.contains("Bearer at-1\r\n") else { return Self.answer("200 OK", body: "yes") }
            return Self.answer("401 Unauthorized", "\(challenge)\r\nDPoP-Nonce: n1\r\n")
        } whileIn: { resource in
            let (status, _) = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            #expect(status == 200)
            #expect(tokens(of: resource) == ["Bearer at-1", "Bearer at-2"])
        }
    }

    @Test func saysWhyThereIsNoNewToken() async throws {
        let last = FixedTokenBroker(["work": ["at-1"]])
        try await LoopbackListener.running(Self.refusing("at-1")) { resource in
            let client = try ResourceClient(last, for: "work", at: resource.url)
            let error = await #expect(throws: VaultError.self) {
                _ = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(30))
            }
            #expect(error?.code == .loginRequired)
            #expect(resource.requests.count == 1)
        }
    }

    @Test func sendsNothingWithoutAToken() async throws {
        broker.fail("oauth:work", with: VaultError(.temporary, "the server is down"))
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { resource in
            let error = await #expect(throws: VaultError.self) {
                _ = try await execute(HTTPClientRequest(url: resource.url), at: resource.url)
            }
            #expect(error?.code == .temporary)
            #expect(resource.requests == [])
        }
    }

    // MARK: Nowhere else

    @Test(arguments: ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent"])
    func followsNoRedirect(_ status: String) async throws {
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { other in
            let location = "Location: \(other.url)/stolen\r\n"
            try await LoopbackListener.running { _ in
                Self.answer(status, location)
            } whileIn: { resource in
                var configuration = HTTPClient.Configuration()
                configuration.redirectConfiguration = .follow(max: 5, allowCycles: true)
                let client = try ResourceClient(broker, for: "work", at: resource.url, configuration: configuration)
                for method in [HTTPMethod.GET, .POST] {
                    var request = HTTPClientRequest(url: resource.url)
                    request.method = method
                    let answer = try await client.execute(request, timeout: .seconds(30))
                    #expect(answer.status.code == UInt(status.prefix(3)))
                    #expect(answer.headers.first(name: "Location") == "\(other.url)/stolen")
                }
                #expect(other.requests == [])
                #expect(resource.requests.count == 2)
            }
        }
    }

    /// `@` stands for the resource's port, `#` for that of another listener.
    @Test(arguments: [
        "http://127.0.0.1:#/", "https://127.0.0.1:@/", "http://127.0.0.1/", "http://localhost:@/", "http://127.1:@/",
        "http://127.0.0.1.:@/", "http://127.0.0.01:@/", "http://0x7f.0.0.1:@/", "http://2130706433:@/",
        "http://[::1]:@/", "http://[::ffff:127.0.0.1]:@/", "http://127.0.0.2:@/", "http://user@127.0.0.1:@/",
        "http://user:pass@127.0.0.1:@/", "http://127.0.0.1:@@localhost:#/", "http://127.0.0.1:@\\@localhost:#/",
        "http://127.0.0.1:@.evil.example/", "http://127.0.0.1.evil.example:@/", "http:/127.0.0.1:@/", "//127.0.0.1:@/",
        "127.0.0.1:@/", "http://１２７.0.0.1:@/", "http://127.0.0.1:@/ HTTP/1.1", "http://127.0.0.1:@/\r\nX: y",
        "http://127.0.0.1:@/?q=\r\nX: y", "http://127.0.0.1:@/?a b", "http://127.0.0.1:@/é", "http://127.0.0.1:@/?é",
        "http://127.0.0.1:@/%0d%0aX", " http://127.0.0.1:@/", "http+unix://127.0.0.1:@/", "ftp://127.0.0.1:@/", "",
    ])
    func refusesEveryOtherURL(_ pattern: String) async throws {
        try await LoopbackListener.running { _ in
            Self.answer("200 OK")
        } whileIn: { other in
            try await LoopbackListener.running { _ in
                Self.answer("200 OK")
            } whileIn: { resource in
                // The first @ behind a colon is the port; any other is itself.
                let url = pattern.replacing("#", with: "\(other.port)").replacing(":@", with: ":\(resource.port)")
                let error = await #expect(throws: VaultError.self) {
                    _ = try await execute(HTTPClientRequest(url: url), at: resource.url)
                }
                #expect(error?.code == .unsafe, "\(url)")
                #expect(resource.requests == [] && other.requests == [] && broker.calls.isEmpty)
            }
        }
    }

    /// Names, at a proxy that would see what is sent to any host.
    @Test(arguments: [
        "https://GITHUB.com.evil/", "https://github.com.evil.example/", "https://notgithub.com/",
        "https://api.github.com/", "https://github.co/", "https://github.com./", "https://github.com:8443/",
        "http://github.com/", "http://github.com:443/", "https://gıthub.com/", "https://xn--gthub-n4a.com/",
        "https://github.com%2eevil.example/", "https://github%2ecom/", "https://github.com@evil.example/",
        "https://evil.example/github.com", "https://evil.example\\@github.com/", "https://github.com\\.evil.example/",
        "https://evil.example?@github.com/", "https://evil.example#@github.com/", "https:///github.com/",
        "https://ｇithub.com/", "https://github.com\u{00AD}/", "https://github.com\t.evil.example/",
    ])
    func refusesEveryOtherHost(_ url: String) async throws {
        try await throughAProxy { client, proxy in
            let error = await #expect(throws: VaultError.self) {
                _ = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(30))
            }
            #expect(error?.code == .unsafe, "\(url)")
            #expect(proxy.requests == [] && broker.calls.isEmpty)
        }
    }

    /// The other side of the table above: what is sent does arrive at the proxy, and the same host is the same host.
    @Test(arguments: [
        "https://github.com/", "https://github.com:443/", "https://GitHub.com/", "HTTPS://github.com/",
        "https://github.com/users?$filter=a", "https://github.com?q=https://evil.example/",
    ])
    func asksTheHostItWasMadeFor(_ url: String) async throws {
        try await throughAProxy { client, proxy in
            // The proxy opens no connection.
            await #expect(throws: HTTPClientError.self) {
                _ = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(30))
            }
            let seen = try #require(proxy.requests.first).lowercased()
            #expect(seen.hasPrefix("connect github.com:443 ") && !seen.contains("at-1"))
        }
    }

    private func throughAProxy(_ body: (ResourceClient, LoopbackListener) async throws -> Void) async throws {
        try await LoopbackListener.running { _ in
            Self.answer("403 Forbidden")
        } whileIn: { proxy in
            var configuration = HTTPClient.Configuration()
            configuration.proxy = .server(host: "127.0.0.1", port: proxy.port)
            configuration.connectionPool.retryConnectionEstablishment = false
            try await body(
                try ResourceClient(broker, for: "work", at: "https://github.com/x?y", configuration: configuration),
                proxy
            )
        }
    }

    @Test(arguments: ["http://github.com", "github.com", "https://user@github.com", "https://github.com.", ""])
    func isMadeForNoUnsafeResource(_ url: String) {
        let error = #expect(throws: VaultError.self) { _ = try ResourceClient(broker, for: "work", at: url) }
        #expect(error?.code == .unsafe)
    }

    @Test func asksAResourceOnThisMachineDirectly() async throws {
        try await LoopbackListener.running { _ in
            Self.answer("403 Forbidden")
        } whileIn: { proxy in
            try await LoopbackListener.running { _ in
                Self.answer("200 OK")
            } whileIn: { resource in
                var configuration = HTTPClient.Configuration()
                configuration.proxy = .server(host: "127.0.0.1", port: proxy.port)
                let client = try ResourceClient(broker, for: "work", at: resource.url, configuration: configuration)
                let answer = try await client.execute(HTTPClientRequest(url: resource.url), timeout: .seconds(30))
                #expect(answer.status == .ok && proxy.requests == [])
            }
        }
    }
}

extension String {
    /// How often `part` occurs.
    fileprivate func components(of part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
