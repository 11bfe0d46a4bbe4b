import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import OAuthFlows
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultTestKit

@testable import ResourceProxy

/// A proxy in this process, between a real client and a real resource on loopback.
struct ResourceProxyTests {
    private let broker = FixedTokenBroker(["work": ["at-1", "at-2", "at-3"]])

    private struct Answered: Equatable {
        let status: UInt
        let body: String

        init(_ status: UInt, _ body: String) { (self.status, self.body) = (status, body) }
    }

    private static func answer(_ status: String, _ fields: String = "", body: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\(fields)\r\n\(body)"
    }

    /// A resource to which the first token is not enough.
    private static let wanting: @Sendable (String) -> String = { request in
        guard request.contains("Bearer at-1\r\n") else { return answer("200 OK", body: "yes") }
        let challenge = #"WWW-Authenticate: Bearer error="insufficient_scope", scope="write""#
        return answer("403 Forbidden", "\(challenge)\r\n", body: "more")
    }

    private func running(
        _ answer: @escaping @Sendable (String) -> String = { _ in Self.answer("200 OK", body: "yes") },
        _ options: ResourceProxy.Options = ResourceProxy.Options(),
        whileIn body: (ResourceProxy, Upstream) async throws -> Void
    ) async throws {
        try await Upstream.running(answer) { upstream in
            let resource = try EndpointURL("\(upstream.url)/mcp", as: "--to")
            let proxy = try await ResourceProxy.open(broker, for: "work", to: resource, options)
            do {
                try await body(proxy, upstream)
                await proxy.close()
            } catch {
                await proxy.close()
                throw error
            }
        }
    }

    private func ask(_ proxy: ResourceProxy, _ method: HTTPMethod = .GET) async throws -> Answered {
        var request = HTTPClientRequest(url: proxy.address)
        request.method = method
        request.headers.add(name: "Authorization", value: "Bearer \(proxy.secret ?? "")")
        if method == .POST { request.body = .bytes(ByteBuffer(string: "kept")) }
        let answer = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        return Answered(answer.status.code, String(buffer: try await answer.body.collect(upTo: 1 << 20)))
    }

    @Test func asksForAMinuteOfValidity() async throws {
        try await running { proxy, upstream in
            let answered = try await ask(proxy)
            #expect(answered == Answered(200, "yes"))
            #expect(broker.calls.map(\.requirements.minimumValiditySeconds) == [0, 60])
            #expect(broker.calls.last?.url == "\(upstream.url)/mcp")
            #expect(upstream.requests.count == 1 && upstream.requests.allSatisfy { $0.contains("Bearer at-1\r\n") })
        }
    }

    @Test(arguments: [VaultError.Code.notFound, .loginRequired, .locked, .unsafe, .damaged])
    func doesNotStartWithoutAToken(_ code: VaultError.Code) async throws {
        broker.fail("work", with: VaultError(code, "no"))
        let resource = try EndpointURL("https://h.example/mcp", as: "--to")
        let error = await #expect(throws: VaultError.self) {
            try await ResourceProxy.open(broker, for: "work", to: resource, ResourceProxy.Options())
        }
        #expect(error?.code == code)
    }

    @Test func startsThoughTheServerIsInTrouble() async throws {
        broker.fail("work", with: VaultError(.temporary, "the server is down"))
        let reports = Mutex<[String]>([])
        var options = ResourceProxy.Options()
        options.report = { error in reports.withLock { $0.append(error.message) } }
        try await running({ _ in Self.answer("200 OK", body: "yes") }, options) { proxy, upstream in
            let refused = try await ask(proxy)
            #expect(refused.status == 503 && refused.body.contains("the server is down"))
            #expect(upstream.requests.isEmpty)
            broker.fail("work", with: nil)
            let answered = try await ask(proxy)
            #expect(answered == Answered(200, "yes"))
        }
        #expect(reports.withLock { $0 } == ["the server is down", "the server is down"])
    }

    @Test(arguments: [VaultError.Code.loginRequired, .temporary, .locked])
    func saysWhatToDoWhereThereIsNoToken(_ code: VaultError.Code) async throws {
        try await running { proxy, upstream in
            broker.fail("work", with: VaultError(code, "there is no token"))
            let refused = try await ask(proxy)
            #expect(refused.status == 503 && refused.body.contains("there is no token"))
            #expect(refused.body.contains("vault login work") == (code == .loginRequired))
            #expect(upstream.requests.isEmpty)
        }
    }

    // MARK: Those who ask for nothing

    @Test(arguments: ["", "GET /mcp HTTP/1.1\r\nHost:", "G"])
    func nobodyIsWaitedForLong(_ beginning: String) async throws {
        var options = ResourceProxy.Options()
        options.limits.headTime = .milliseconds(50)
        try await running({ _ in Self.answer("200 OK") }, options) { proxy, upstream in
            let port = try #require(Int(proxy.address.split(separator: ":")[2].prefix { $0 != "/" }))
            let client = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(host: "127.0.0.1", port: port).get()
            // On a busy machine the end may come first, which is what is asked for.
            client.writeAndFlush(ByteBuffer(string: beginning), promise: nil)
            try await client.closeFuture.get()
            #expect(upstream.requests.isEmpty)
        }
    }

    // MARK: Step-up

    @Test func manyClientsWaitForOneStepUp() async throws {
        let gate = Gate()
        let count = Mutex(0)
        var options = ResourceProxy.Options()
        options.stepUp = { [broker] scopes in
            #expect(scopes == ["write"])
            count.withLock { $0 += 1 }
            await gate.wait()
            var refreshed = TokenRequirements()
            refreshed.requiresRefresh = true
            return (try? await broker.accessToken(for: "work", refreshed)) != nil
        }
        try await running(Self.wanting, options) { proxy, upstream in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for _ in 0..<5 { group.addTask { try await ask(proxy, .POST) == Answered(200, "yes") } }
                try await eventually("all were refused") { upstream.requests.count == 5 }
                gate.open()
                for try await isRight in group { #expect(isRight) }
            }
            #expect(count.withLock { $0 } == 1)
            #expect(upstream.requests.count == 10)
        }
    }

    @Test func aClientIsHeldForSoLongAndNoLonger() async throws {
        let (login, hold) = (Gate(), Gate())
        var options = ResourceProxy.Options()
        options.clock = VaultClock(pauses: GateClock(gate: hold))
        options.stepUp = { [broker] _ in
            await login.wait()
            var refreshed = TokenRequirements()
            refreshed.requiresRefresh = true
            return (try? await broker.accessToken(for: "work", refreshed)) != nil
        }
        try await running(Self.wanting, options) { proxy, upstream in
            async let held = ask(proxy)
            try await eventually("it was refused") { upstream.requests.count == 1 }
            hold.open()
            let answered = try await held
            #expect(answered == Answered(403, "more"))
            // The login goes on by itself, and helps the next one.
            login.open()
            try await eventually("somebody is let in") { try await ask(proxy) == Answered(200, "yes") }
        }
    }

    @Test func a403IsPassedOnWhereNobodyIsAsked() async throws {
        try await running(Self.wanting) { proxy, upstream in
            let answered = try await ask(proxy)
            #expect(answered == Answered(403, "more"))
            #expect(upstream.requests.count == 1)
        }
    }

    @Test func anotherChallengeIsNoReasonToAsk() async throws {
        var options = ResourceProxy.Options()
        options.stepUp = { _ in
            Issue.record("somebody was asked")
            return false
        }
        for challenge in [
            #"Basic error="insufficient_scope""#, #"Bearer error="invalid_token""#, "Bearer",
            #"Bearer error="insufficient_scope"#,
            #"Bearer error_description="error=insufficient_scope""#,
        ] {
            let answer = Self.answer("403 Forbidden", "WWW-Authenticate: \(challenge)\r\n", body: "no")
            try await running({ _ in answer }, options) { proxy, _ in
                let answered = try await ask(proxy)
                #expect(answered == Answered(403, "no"))
            }
        }
    }
}

/// Holds whoever waits until it is opened, or the waiting is cancelled.
final class Gate: Sendable {
    private let (stream, continuation) = AsyncStream.makeStream(of: Void.self)

    func open() { continuation.finish() }

    func wait() async { for await _ in stream {} }
}

/// A clock on which every wait ends when a gate opens.
struct GateClock: Clock {
    typealias Instant = ContinuousClock.Instant

    let gate: Gate
    var now: Instant { .now }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        await gate.wait()
        try Task.checkCancellation()
    }
}
