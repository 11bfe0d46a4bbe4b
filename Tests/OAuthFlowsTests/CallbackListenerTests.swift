import Glibc
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 19, over real sockets.
struct CallbackListenerTests {
    /// Accepts a query that is `code=good`, and records all it is asked about.
    private final class Judge: Sendable {
        let asked = Mutex<[String]>([])
        func callAsFunction(_ query: String) -> Bool {
            asked.withLock { $0.append(query) }
            return query == "code=good"
        }
    }

    private func withListener(
        _ redirect: LoopbackRedirect = LoopbackRedirect(),
        // Long, because a client of a machine that is busy with other tests may take its time.
        limits: LoopbackListener.Limits = .init(headTime: .seconds(60)),
        _ body: (LoopbackListener, Judge) async throws -> Void
    ) async throws {
        let judge = Judge()
        let listener = try await LoopbackListener.open(redirect, limits: limits) { judge($0) }
        do {
            try await body(listener, judge)
        } catch {
            await listener.close()
            throw error
        }
        await listener.close()
        #expect(await CallbackClient.isDeaf(listener.port))
        #expect(await CallbackClient.isDeaf(listener.port, host: "::1"))
    }

    @Test(arguments: ["127.0.0.1", "::1"])
    func listensOnBothLoopbackAddresses(_ host: String) async throws {
        try await withListener { listener, _ in
            let answer = try await CallbackClient.ask(
                CallbackClient.get("/favicon.ico", port: listener.port),
                port: listener.port,
                host: host
            )
            #expect(answer.hasPrefix("HTTP/1.1 404 "))
        }
    }

    /// A client that connects, asks, and ends as it is told, run by another user.
    private static let visitor = """
        import socket, struct, sys
        host, port, end = sys.argv[1], int(sys.argv[2]), sys.argv[3]
        s = socket.create_connection((host, port))
        name = "[::1]" if ":" in host else "127.0.0.1"
        s.sendall(f"GET /callback?code=good HTTP/1.1\\r\\nHost: {name}:{port}\\r\\n\\r\\n".encode())
        if end == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if end != "wait":
            sys.exit()
        try:
            sys.stdout.write(s.recv(100).decode())
        except ConnectionError:
            pass
        """

    private static let canBeNobody =
        geteuid() == 0
        && (try? Program.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-V"])
            .status) == 0

    @Test(
        .enabled(if: canBeNobody, "needs root and setpriv, to be another user"),
        .blocking,
        arguments: ["127.0.0.1", "::1", "::ffff:127.0.0.1"],
        ["wait", "close", "reset"]
    )
    func anotherUserIsNotListenedTo(_ host: String, _ end: String) async throws {
        let judge = Judge()
        let away = Mutex<[UInt32]>([])
        let listener = try await LoopbackListener.open(
            LoopbackRedirect(),
            limits: .init(headTime: .seconds(60)),
            turnedAway: { id in away.withLock { $0.append(id) } },
            judge: { judge($0) }
        )
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        for _ in 0..<3 {
            let outcome = try Program.run(
                nobody + ["/usr/bin/python3", "-c", Self.visitor, host, "\(listener.port)", end]
            )
            #expect(outcome.status == 0)
            #expect(outcome.output.isEmpty)
        }
        // Our own is let in, and shows that the others were dealt with.
        let answer = try await CallbackClient.ask(CallbackClient.get("/", port: listener.port), port: listener.port)
        #expect(answer.hasPrefix("HTTP/1.1 404 "))
        #expect(judge.asked.withLock { $0.isEmpty })
        let ids = away.withLock { $0 }
        #expect(ids.allSatisfy { $0 == 65534 })
        if end == "wait" { #expect(ids.count == 3) }
        await listener.close()
    }

    private static let head =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"

    private static func row(_ local: String, _ remote: String, _ state: String, _ uid: Int, _ inode: Int) -> String {
        "   1: \(local) \(remote) \(state) 00000000:00000000 00:00000000 00000000  \(uid)        0 \(inode) 1 0000 20 4\n"
    }

    /// The listener on port 0x1000, the visitor on 0x2000.
    @Test(arguments: [
        ([row("0100007F:2000", "0100007F:1000", "01", 4242, 9)], PeerOwner.user(4242)),
        ([row("0000000000000000FFFF00000100007F:2000", "0000000000000000FFFF00000100007F:1000", "01", 7, 9)], .user(7)),
        // Closed by its program: what is printed is not its owner any more.
        ([row("0100007F:2000", "0100007F:1000", "05", 0, 0)], .gone),
        ([row("00000000:1000", "00000000:0000", "0A", 0, 5)], .gone),
        (
            [
                row("0100007F:1000", "00000000:0000", "0A", 0, 5), row("0100007F:1000", "0100007F:2000", "08", 0, 6),
            ], .gone
        ),
        // Of a forwarder outside of this system.
        (
            [
                row("0100007F:1000", "00000000:0000", "0A", 0, 5), row("0100007F:1000", "0100007F:2000", "01", 0, 6),
            ], .unknown
        ),
        // No table, or another network's.
        ([], .unknown), ([row("0100007F:3000", "0100007F:4000", "01", 0, 6)], .unknown),
    ])
    func tellsWhoseAConnectionIs(_ rows: [String], _ expected: PeerOwner) throws {
        let peer = try SocketAddress(ipAddress: "127.0.0.1", port: 0x2000)
        let local = try SocketAddress(ipAddress: "127.0.0.1", port: 0x1000)
        #expect(PeerOwner(of: peer, at: local, table: { Self.head + rows.joined() }) == expected)
        #expect(PeerOwner(of: nil, at: local, table: { "" }) == .gone)
    }

    @Test func listensOnNoOtherAddress() async throws {
        // All of 127/8 is this machine's; a listener on 0.0.0.0 would answer there.
        try await withListener { listener, _ in
            #expect(await !CallbackClient.isListening(listener.port, host: "127.0.0.2"))
        }
    }

    @Test func holdsTheResponseUntilItsPageIsKnown() async throws {
        try await withListener { listener, _ in
            let browser = try await CallbackClient(port: listener.port)
            await browser.write(CallbackClient.get("/callback?code=good", port: listener.port))
            // A second visitor is answered meanwhile, which also shows that the first was read.
            let stray = try await CallbackClient.ask(
                CallbackClient.get("/", port: listener.port),
                port: listener.port
            )
            #expect(stray.hasPrefix("HTTP/1.1 404 "))
            #expect(browser.isOpen)
            await listener.finish(.success)
            let answer = try await browser.answer()
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(answer.hasSuffix(CallbackPage.success.html))
        }
    }

    @Test func showsTheFailurePageWhereItFailed() async throws {
        try await withListener { listener, judge in
            let browser = try await CallbackClient(port: listener.port)
            await browser.write(CallbackClient.get("/callback?code=good", port: listener.port))
            try await eventually("the callback is judged") { judge.asked.withLock({ !$0.isEmpty }) }
            await listener.finish(.failure)
            let answer = try await browser.answer()
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
            #expect(answer.hasSuffix(CallbackPage.failure.html))
        }
    }

    @Test(
        arguments: [
            ("/favicon.ico", "404"), ("/", "404"), ("/callback/", "404"), ("/Callback?code=good", "404"),
            ("//callback?code=good", "404"), ("/%63allback?code=good", "404"), ("/callback;x?code=good", "404"),
            ("/callback", "400"), ("/callback?", "400"), ("/callback?code=bad", "400"),
            ("http://127.0.0.1/callback?code=good", "404"),
        ]
    )
    func turnsStraysAwayAndGoesOn(_ target: String, _ status: String) async throws {
        try await withListener { listener, judge in
            let answer = try await CallbackClient.ask(
                CallbackClient.get(target, port: listener.port),
                port: listener.port
            )
            #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
            #expect(!judge.asked.withLock { $0.contains("code=good") })
            let browser = try await CallbackClient(port: listener.port)
            await browser.write(CallbackClient.get("/callback?code=good", port: listener.port))
            try await eventually("the callback is judged") { judge.asked.withLock({ $0.contains("code=good") }) }
        }
    }

    @Test(arguments: ["POST", "HEAD", "PUT", "OPTIONS", "DELETE"])
    func takesNoMethodButGet(_ method: String) async throws {
        try await withListener { listener, judge in
            let request = CallbackClient.get("/callback?code=good", port: listener.port, method: method)
            let answer = try await CallbackClient.ask(request, port: listener.port)
            #expect(answer.hasPrefix("HTTP/1.1 405 "))
            #expect(answer.contains("\r\nAllow: GET\r\n"))
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test(arguments: [
        "evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "127.0.0.1:PORT@evil.example", "127.0.0.1:PORT.evil",
        "localhost.evil:PORT", "127.0.0.2:PORT", "0.0.0.0:PORT", "[::]:PORT", "",
    ])
    func answersToNoOtherHost(_ host: String) async throws {
        try await withListener { listener, judge in
            let name = host.replacing("PORT", with: "\(listener.port)")
            let request = CallbackClient.get("/callback?code=good", port: listener.port, host: name)
            let answer = try await CallbackClient.ask(request, port: listener.port)
            #expect(answer.hasPrefix("HTTP/1.1 421 "), "\(answer)")
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test(arguments: ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT"])
    func answersToItsOwnNames(_ host: String) async throws {
        try await withListener { listener, judge in
            let name = host.replacing("PORT", with: "\(listener.port)")
            let request = CallbackClient.get("/callback?code=bad", port: listener.port, host: name)
            _ = try await CallbackClient.ask(request, port: listener.port)
            #expect(judge.asked.withLock { $0 } == ["code=bad"])
        }
    }

    @Test func refusesTwoHostsAndNone() async throws {
        try await withListener { listener, judge in
            let name = "Host: 127.0.0.1:\(listener.port)\r\n"
            for fields in ["", name + name, name + "Host: evil.example\r\n"] {
                let request = "GET /callback?code=good HTTP/1.1\r\n\(fields)\r\n"
                let answer = try await CallbackClient.ask(request, port: listener.port)
                #expect(answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
            }
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test func refusesARequestWithABody() async throws {
        try await withListener { listener, judge in
            for field in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
                let request =
                    "GET /callback?code=good HTTP/1.1\r\nHost: 127.0.0.1:\(listener.port)\r\n\(field)\r\n\r\nhello"
                let answer = try await CallbackClient.ask(request, port: listener.port)
                #expect(answer.hasPrefix("HTTP/1.1 400 "), "\(answer)")
            }
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test(arguments: ["nonsense\r\n\r\n", "GET\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}", "GET / HTTP/9.9\r\n\r\n"])
    func answersNonsenseWithAnError(_ bytes: String) async throws {
        try await withListener { listener, _ in
            let answer = try await CallbackClient.ask(bytes, port: listener.port)
            #expect(answer.hasPrefix("HTTP/1.1 4"), "\(answer)")
            #expect(await CallbackClient.isListening(listener.port))
        }
    }

    @Test func refusesAQueryOfOneMebibyte() async throws {
        try await withListener { listener, judge in
            let query = String(repeating: "a", count: 1 << 20)
            let request = CallbackClient.get("/callback?code=good&x=\(query)", port: listener.port)
            let answer = try await CallbackClient.ask(request, port: listener.port)
            #expect(answer.hasPrefix("HTTP/1.1 431 "))
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test func refusesEndlessHeaders() async throws {
        try await withListener { listener, judge in
            let client = try await CallbackClient(port: listener.port)
            await client.write("GET /callback?code=good HTTP/1.1\r\nHost: 127.0.0.1:\(listener.port)\r\n")
            for index in 0..<2000 where client.isOpen { await client.write("X-\(index): aaaaaaaaaaaaaaaaaaaa\r\n") }
            // What was written after the refusal makes the system reset the connection, and the refusal with it.
            let answer = try await client.answer()
            // The decoder's own limit of fields (400) may come before that of bytes (431): that depends on how they arrive.
            let isRefused = ["431", "400"].contains { answer.hasPrefix("HTTP/1.1 \($0) ") }
            #expect(answer.isEmpty || isRefused, "\(answer)")
            #expect(!client.isOpen)
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test func endsAConnectionWhoseHeadersAreSlow() async throws {
        try await withListener(limits: .init(headTime: .milliseconds(100))) { listener, judge in
            let slow = try await CallbackClient(port: listener.port)
            await slow.write("GET /callback?code=good HTTP/1.1\r\nHost: 127.0")
            #expect(try await slow.answer() == "")
            #expect(judge.asked.withLock { $0.isEmpty })
        }
    }

    @Test func keepsTheHeldBrowserBeyondTheTimeForHeaders() async throws {
        try await withListener(limits: .init(headTime: .milliseconds(100))) { listener, judge in
            var browser = try await CallbackClient(port: listener.port)
            await browser.write(CallbackClient.get("/callback?code=good", port: listener.port))
            try await eventually("the callback is judged") {
                if !judge.asked.withLock({ $0.isEmpty }) { return true }
                guard !browser.isOpen else { return false }
                // The machine was too busy to write within the limit.
                browser = try await CallbackClient(port: listener.port)
                await browser.write(CallbackClient.get("/callback?code=good", port: listener.port))
                return false
            }
            // Another connection, which says nothing, is ended: the limit has passed for both.
            let idle = try await CallbackClient(port: listener.port)
            #expect(try await idle.answer() == "")
            #expect(browser.isOpen)
            await listener.finish(.success)
            #expect(try await browser.answer().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test func letsTheBrowserInAmongManyIdleConnections() async throws {
        try await withListener(limits: .init(headTime: .seconds(600), connections: 16)) { listener, judge in
            let held = try await CallbackClient(port: listener.port)
            await held.write(CallbackClient.get("/callback?code=good", port: listener.port))
            try await eventually("the callback is judged") { judge.asked.withLock({ !$0.isEmpty }) }
            var idle: [CallbackClient] = []
            for _ in 0..<300 { idle.append(try await CallbackClient(port: listener.port)) }
            let answer = try await CallbackClient.ask(
                CallbackClient.get("/callback?code=late", port: listener.port),
                port: listener.port
            )
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
            // The oldest went; the one that waits for its page stayed.
            #expect(try await idle[0].answer() == "")
            #expect(held.isOpen)
            await listener.finish(.success)
            #expect(try await held.answer().hasPrefix("HTTP/1.1 200 "))
            for client in idle { await client.close() }
        }
    }

    @Test func closesEveryConnectionWhenItCloses() async throws {
        let listener = try await LoopbackListener.open(LoopbackRedirect()) { _ in true }
        let idle = try await CallbackClient(port: listener.port)
        let half = try await CallbackClient(port: listener.port)
        await half.write("GET /")
        let held = try await CallbackClient(port: listener.port)
        await held.write(CallbackClient.get("/callback?x", port: listener.port))
        await listener.close()
        for client in [idle, half, held] { #expect(try await client.answer() == "") }
        #expect(await CallbackClient.isDeaf(listener.port))
        #expect(await CallbackClient.isDeaf(listener.port, host: "::1"))
    }

    @Test func namesThePortThatIsTaken() async throws {
        let first = try await LoopbackListener.open(LoopbackRedirect()) { _ in false }
        var redirect = LoopbackRedirect()
        redirect.port = first.port
        do {
            let second = try await LoopbackListener.open(redirect) { _ in false }
            await second.close()
            Issue.record("two listeners on one port")
        } catch {
            #expect(error.code == .unavailable)
            #expect(error.message.contains("port \(first.port)"))
            #expect(error.hint != nil)
        }
        await first.close()
        #expect(await CallbackClient.isDeaf(first.port))
        let again = try await LoopbackListener.open(redirect) { _ in false }
        #expect(again.port == first.port)
        await again.close()
    }

    @Test func isNotOpenedWhereAnotherHasItsIPv6Half() async throws {
        // Another user's program there would get what the browser brings to `localhost`.
        var taken: any Channel
        var port: Int
        var error: VaultError?
        repeat {
            let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            taken = try await bootstrap.bind(host: "::1", port: 0).get()
            port = try #require(taken.localAddress?.port)
            do {
                let listener = try await LoopbackListener.open(LoopbackRedirect(host: .name, port: port)) { _ in false }
                await listener.close()
                Issue.record("opened half a listener")
                return
            } catch let refusal {
                error = refusal
                // Tests beside this one use ports too: the other half of this one may just be theirs.
                if refusal.message.contains("127.0.0.1") { try await taken.close() }
            }
        } while error?.message.contains("127.0.0.1") == true
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("[::1]") == true)
        // What 127.0.0.1 in the redirect URI names is 127.0.0.1 alone.
        #expect(await CallbackClient.isDeaf(port))
        let listener = try await LoopbackListener.open(LoopbackRedirect(port: port)) { _ in false }
        await listener.close()
        try await taken.close()
    }

    @Test func everyAnswerCarriesTheHeadersOfThePages() async throws {
        try await withListener { listener, _ in
            for target in ["/favicon.ico", "/callback?code=bad"] {
                let request = CallbackClient.get(target, port: listener.port)
                let answer = try await CallbackClient.ask(request, port: listener.port)
                for field in [
                    "Content-Security-Policy: default-src 'none'; style-src 'sha256-", "Cache-Control: no-store",
                    "Referrer-Policy: no-referrer", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY",
                    "Connection: close",
                ] { #expect(answer.contains("\r\n\(field)"), "\(field) is missing for \(target)") }
            }
        }
    }

    @Test func reflectsNothingOfARequest() async throws {
        try await withListener { listener, _ in
            let mark = "zqxmark"
            for target in [
                "/\(mark)", "/callback?error_description=%3Cscript%3E\(mark)", "/callback?error=\(mark)<script>",
            ] {
                let request =
                    "GET \(target) HTTP/1.1\r\nHost: localhost:\(listener.port)\r\nReferer: \(mark)\r\n"
                    + "Origin: \(mark)\r\nCookie: \(mark)\r\n\r\n"
                let answer = try await CallbackClient.ask(request, port: listener.port)
                #expect(answer.hasPrefix("HTTP/1.1 4"))
                #expect(!answer.contains(mark))
                #expect(!answer.lowercased().contains("access-control-"))
            }
        }
    }
}
