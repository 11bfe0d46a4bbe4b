import NIOCore
import NIOPosix
import OAuthFlows
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCrypto

/// The exchange against a real socket: oauth-client.md 9, 10 and "whether a byte was sent".
struct AsyncHTTPExchangeTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-a: 2\r\n\r\n{}"

    private func request(_ url: EndpointURL, body: String? = "refresh_token=R") -> HTTPRequest {
        var request = HTTPRequest(body == nil ? .get : .post, url)
        request.body = body.map { secret($0) }
        request.timeout = .seconds(20)
        return request
    }

    /// Seconds that pass for real, and enough to connect meanwhile.
    private static let patience: Int = 15

    private func failure(
        _ behaviour: LyingServer.Behaviour,
        body: String? = "refresh_token=R",
        // Nothing waits for it to pass: it is for a machine that is busy with the other tests.
        within limit: Int = 60
    ) async throws -> HTTPFailure {
        try await LyingServer.running(behaviour) { server in
            var request = request(server.url("/token?q=hidden"), body: body)
            request.timeout = .seconds(limit)
            let exchange = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(request) }
            let failure = try #require(error)
            #expect(!failure.message.contains("hidden"))
            #expect(failure.message.contains("/token"))
            return failure
        }
    }

    @Test func sendsOnceAndReadsTheAnswer() async throws {
        try await LyingServer.running(.answer(Self.ok)) { server in
            var request = request(server.url("/a%2Fb/?x=%20+"))
            request.fields = [
                ("Accept", "application/json"), ("Accept-Encoding", "gzip"), ("Connection", "keep-alive"),
            ]
            let calls = Mutex(0)
            request.beforeSending = { calls.withLock { $0 += 1 } }
            let response = try await AsyncHTTPExchange(environment: [:]).send(request)
            #expect(response.status == 200)
            #expect(response.isDelimited)
            #expect(response.values(of: "X-a") == ["1", "2"])
            #expect(text(response.body) == "{}")
            let count = calls.withLock { $0 }
            #expect(count == 1)
            #expect(server.requests.count == 1)
            let sent = try #require(server.requests.first)
            #expect(sent.hasPrefix("POST /a%2Fb/?x=%20+ HTTP/1.1\r\n"))
            #expect(sent.hasSuffix("\r\n\r\nrefresh_token=R"))
            let lines = sent.lowercased().split(separator: "\r\n")
            #expect(lines.filter { $0.hasPrefix("accept-encoding:") } == ["accept-encoding: identity"])
            #expect(lines.filter { $0.hasPrefix("connection:") } == ["connection: close"])
            #expect(lines.filter { $0.hasPrefix("host:") } == ["host: 127.0.0.1:\(server.port)"])
            #expect(lines.filter { $0.hasPrefix("content-length:") } == ["content-length: 15"])
        }
    }

    @Test func usesAConnectionForEachRequest() async throws {
        try await LyingServer.running(.answer(Self.ok)) { server in
            let exchange = try AsyncHTTPExchange(environment: [:])
            for _ in 0..<3 { _ = try await exchange.send(request(server.url(), body: nil)) }
            #expect(server.requests.count == 3)
        }
    }

    @Test(arguments: ["refresh_token=R", nil])
    func whatBeforeSendingThrowsStopsTheRequest(_ body: String?) async throws {
        try await LyingServer.running(.answer(Self.ok)) { server in
            var request = request(server.url(), body: body)
            request.beforeSending = { throw VaultError(.temporary, "its send-before has passed") }
            let prepared = request
            let exchange = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(prepared) }
            #expect(error?.wasSent == false)
            #expect(error?.message.contains("its send-before has passed") == true)
            #expect(!server.requests.contains { $0.contains("refresh_token") })
            let isSilent = server.requests.allSatisfy { $0.isEmpty }
            #expect(body != nil || isSilent)
        }
    }

    @Test func aRefusedConnectionIsUnsent() async throws {
        // Bound and not listening: refused for as long as it is held, whoever else looks for a port.
        let held = try HeldPort()
        defer { withExtendedLifetime(held) {} }
        let port = held.port
        let called = Mutex(false)
        var request = request(url("http://127.0.0.1:\(port)/token"))
        request.beforeSending = { called.withLock { $0 = true } }
        let prepared = request
        let exchange = try AsyncHTTPExchange(environment: [:])
        let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(prepared) }
        #expect(error?.wasSent == false)
        let wasCalled = called.withLock { $0 }
        #expect(!wasCalled)
    }

    @Test func aFailedHandshakeIsUnsent() async throws {
        try await LyingServer.running(.hangUp) { server in
            let request = request(url("https://127.0.0.1:\(server.port)/token"))
            let exchange = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(request) }
            #expect(error?.wasSent == false)
            #expect(!server.requests.contains { $0.contains("refresh_token") })
        }
    }

    @Test func aHandshakeThatNeverEndsIsUnsent() async throws {
        try await LyingServer.running(.silent) { server in
            var request = request(url("https://127.0.0.1:\(server.port)/token"))
            request.connectTimeout = .milliseconds(300)
            let prepared = request
            let exchange = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(prepared) }
            #expect(error?.wasSent == false)
            #expect(error?.message.contains("no connection within 0.3 seconds") == true)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access_token\":\"A\"}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabc", "HTTP/1.1 200 OK\r\nContent-Le", "",
        "this is no HTTP\r\n\r\n",
    ])
    func aCutAnswerIsAFailureAfterSending(_ answer: String) async throws {
        #expect(try await failure(.answerAndClose(answer)).wasSent)
    }

    /// AsyncHTTPClient would trap at these, and with it this process.
    @Test(arguments: ["000", "001", "099", "101"], ["refresh_token=R", nil])
    func aStatusThatIsNoneIsAFailureAfterSending(_ status: String, _ body: String?) async throws {
        for rest in ["Content-Length: 2\r\n\r\n{}", "Content-Length: 0\r\n\r\n", "\r\n", "Upgrade: x\r\n\r\n{}"] {
            let failure = try await failure(.answerAndClose("HTTP/1.1 \(status) X\r\n\(rest)"), body: body)
            #expect(failure.wasSent)
            #expect(failure.message.contains("a status that HTTP does not know"), "\(failure.message)")
        }
    }

    @Test(arguments: [100, 102, 103, 199])
    func anInterimAnswerIsPassedOver(_ status: Int) async throws {
        let interim = "HTTP/1.1 \(status) X\r\n\r\n"
        try await LyingServer.running(.answer(interim + interim + Self.ok)) { server in
            let response = try await AsyncHTTPExchange(environment: [:]).send(request(server.url()))
            #expect(response.status == 200)
        }
    }

    @Test func theLimitsAreTenAndThirtySeconds() {
        let request = HTTPRequest(.post, url("https://as.example/token"))
        #expect(request.connectTimeout == .seconds(10))
        #expect(request.timeout == .seconds(30))
        #expect(request.maximumBodyBytes == 1 << 20)
    }

    @Test(arguments: ["refresh_token=R", nil])
    func silenceIsAFailureAfterSending(_ body: String?) async throws {
        #expect(try await failure(.silent, body: body, within: Self.patience).wasSent)
    }

    @Test func aDripEndsAtTheLimitOfTheWhole() async throws {
        let failure = try await failure(
            .drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "x"),
            within: Self.patience
        )
        #expect(failure.wasSent)
        #expect(failure.message.contains("no whole answer within"))
    }

    @Test func slowHeaderFieldsEndAtTheLimitOfTheWhole() async throws {
        #expect(try await failure(.drip("HTTP/1.1 200 OK\r\nX-A: ", "x"), within: Self.patience).wasSent)
    }

    @Test(arguments: [
        LyingServer.Behaviour.endless(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "4000\r\n\(String(repeating: "x", count: 0x4000))\r\n"
        ),
        .endless("HTTP/1.1 200 OK\r\n\r\n", String(repeating: "x", count: 0x4000)),
        .answer("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"),
    ])
    func anAnswerBeyondTheLimitIsCutOff(_ behaviour: LyingServer.Behaviour) async throws {
        try await LyingServer.running(behaviour) { server in
            let exchange = try AsyncHTTPExchange(environment: [:])
            let request = request(server.url())
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(request) }
            #expect(error?.wasSent == true)
            #expect(error?.message.contains("longer than 1048576 bytes") == true)
        }
    }

    @Test(arguments: [
        (
            LyingServer.Behaviour.answer(
                "HTTP/1.1 200 OK\r\n\(String(repeating: "X-A: 1\r\n", count: 200))Content-Length: 0\r\n\r\n"
            ), "more header fields than any answer needs"
        ),
        (
            .answer("HTTP/1.1 200 OK\r\nX-A: \(String(repeating: "x", count: 60_000))\r\nContent-Length: 0\r\n\r\n"),
            "more header fields than any answer needs"
        ),
        (.endless("HTTP/1.1 200 OK\r\n", String(repeating: "X-A: 1\r\n", count: 500)), "no HTTP, or was cut off"),
        (.endless("HTTP/1.1 200 OK\r\nX-A: ", String(repeating: "x", count: 4000)), "no HTTP, or was cut off"),
    ])
    func tooManyHeaderFieldsAreAFailure(_ behaviour: LyingServer.Behaviour, _ reason: String) async throws {
        try await LyingServer.running(behaviour) { server in
            let exchange = try AsyncHTTPExchange(environment: [:])
            let request = request(server.url())
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(request) }
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
            #expect(error?.wasSent == true)
        }
    }

    @Test(arguments: [301, 302, 303, 307, 308])
    func aRedirectIsAnAnswerAndTheOtherHostGetsNoByte(_ status: Int) async throws {
        try await LyingServer.running(.answer(Self.ok)) { other in
            let answer = "HTTP/1.1 \(status) X\r\nLocation: \(other.url("/steal").text)\r\nContent-Length: 0\r\n\r\n"
            try await LyingServer.running(.answer(answer)) { server in
                let response = try await AsyncHTTPExchange(environment: [:]).send(request(server.url()))
                #expect(response.status == status)
            }
            #expect(other.requests.isEmpty)
        }
    }

    @Test func aCompressedAnswerIsNotUnpacked() async throws {
        let answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\u{1F}xy"
        try await LyingServer.running(.answer(answer)) { server in
            let response = try await AsyncHTTPExchange(environment: [:]).send(request(server.url()))
            #expect(response.body.count == 3)
        }
    }

    @Test func anAnswerThatEndsWithTheConnectionSaysSo() async throws {
        try await LyingServer.running(.answerAndClose("HTTP/1.1 200 OK\r\n\r\n{}")) { server in
            let response = try await AsyncHTTPExchange(environment: [:]).send(request(server.url()))
            #expect(!response.isDelimited)
        }
    }

    @Test func cancellationEndsTheExchange() async throws {
        try await LyingServer.running(.silent) { server in
            let request = request(server.url())
            let exchange = try AsyncHTTPExchange(environment: [:])
            let task = Task { try await exchange.send(request) }
            await server.hasRead()
            task.cancel()
            let error = await #expect(throws: HTTPFailure.self) { try await task.value }
            #expect(error?.wasSent == true)
        }
    }

    @Test func aTaskThatIsCancelledAlreadySendsNothing() async throws {
        try await LyingServer.running(.answer(Self.ok)) { server in
            let request = request(server.url())
            let exchange = try AsyncHTTPExchange(environment: [:])
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await exchange.send(request)
            }
            let error = await #expect(throws: HTTPFailure.self) { try await task.value }
            #expect(error?.wasSent == false)
            #expect(server.requests.isEmpty)
        }
    }

    @Test(arguments: [("X-A", "a\r\nX-B: c"), ("X-A", "a\0"), ("X A", "b"), ("X:A", "b"), ("", "b"), ("X-A", "é")])
    func refusesAHeaderFieldThatHoldsALine(_ name: String, _ value: String) async throws {
        try await LyingServer.running(.answer(Self.ok)) { server in
            var request = request(server.url())
            request.fields = [(name, value)]
            let prepared = request
            let exchange = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(prepared) }
            #expect(error?.wasSent == false)
            #expect(server.requests.isEmpty)
        }
    }

    @Test func goesThroughTheProxyOfTheEnvironmentAndShowsItNoToken() async throws {
        try await LyingServer.running(.answerAndClose("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")) { proxy in
            let exchange = try AsyncHTTPExchange(environment: [
                "https_proxy": "http://me:p%40ss@127.0.0.1:\(proxy.port)"
            ])
            let request = request(url("https://as.invalid/token"))
            let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(request) }
            #expect(error?.wasSent == false)
            let sent = try #require(proxy.requests.first)
            #expect(sent.hasPrefix("CONNECT as.invalid:443 HTTP/1.1\r\n"))
            #expect(sent.lowercased().contains("proxy-authorization: basic bwu6cebzcw=="))
            #expect(!sent.contains("refresh_token"))
        }
    }

    @Test(arguments: ["https://proxy.example:1", "socks5://h:1", "http://h:1/path", "http://h:99999", "http:// h"])
    func refusesAProxyThatIsNone(_ value: String) {
        let error = #expect(throws: VaultError.self) { try AsyncHTTPExchange(environment: ["HTTPS_PROXY": value]) }
        #expect(error?.code == .configuration)
    }

    @Test(arguments: [
        ("", "https://a.example/", true), ("*", "https://a.example/", false),
        ("a.example", "https://a.example/", false),
        (".example", "https://a.example/", false), ("*.example", "https://a.example/", false),
        ("ample", "https://a.example/", true), ("b.example, A.EXAMPLE", "https://a.example/", false),
        ("a.example:443", "https://a.example/", false), ("a.example:444", "https://a.example/", true),
        ("10.0.0.1", "https://10.0.0.1/", false), ("[2001:db8::1]", "https://[2001:db8::1]/", false),
        ("", "https://localhost/", false), ("", "https://127.0.0.1/", false), ("", "http://[::1]/", false),
    ])
    func knowsWhatGoesThroughTheProxy(_ exceptions: String, _ target: String, _ expected: Bool) throws {
        let settings = try ProxySettings(environment: ["HTTPS_PROXY": "http://p:3128", "NO_PROXY": exceptions])
        let proxy = try #require(settings)
        #expect((proxy.host, proxy.port) == ("p", 3128))
        #expect(proxy.applies(to: url(target)) == expected)
    }

    @Test(arguments: ["/nonexistent/ca.pem", "/etc/hostname"])
    func refusesACertificateFileWithoutCertificates(_ path: String) {
        let error = #expect(throws: VaultError.self) { try AsyncHTTPExchange(environment: [:], caFile: path) }
        #expect(error?.code == .configuration)
    }

    @Test(arguments: ["/nonexistent/ca.pem", "/etc/hostname"])
    func sendsNothingWhereTheEnvironmentsCertificatesCannotBeRead(_ path: String) async throws {
        let exchange = try AsyncHTTPExchange(environment: ["SSL_CERT_FILE": path])
        let error = await #expect(throws: HTTPFailure.self) {
            try await exchange.send(HTTPRequest(.get, url("https://127.0.0.1:9/")))
        }
        #expect(error?.wasSent == false)
        #expect(error?.message.contains("SSL_CERT_FILE") == true)
    }
}
