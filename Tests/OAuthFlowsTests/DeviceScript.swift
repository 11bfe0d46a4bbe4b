import StrictJSON
import Synchronization
import TestSupport
import VaultAPI
import VaultCrypto

@testable import OAuthFlows

/// A server that says what the script says, and keeps what it was asked.
final class FlowScript: HTTPExchange {
    struct Request: Sendable {
        let url: String
        let body: String
        let fields: [(name: String, value: String)]

        /// A parameter of a form; one that stands twice shows as both.
        func form(_ name: String) -> String? {
            let found = body.split(separator: "&").filter { $0.hasPrefix("\(name)=") }.map {
                String(decoding: formDecoded($0.dropFirst(name.count + 1)), as: UTF8.self)
            }
            return found.isEmpty ? nil : found.joined(separator: "|")
        }
    }

    enum Step: Sendable {
        case answer(Int, String)
        case failure(wasSent: Bool)
        /// Waits until it is cancelled.
        case hang
    }

    private let steps: Mutex<[Step]>
    private let made = Mutex<[Request]>([])
    private let onRequest: @Sendable (Request) async -> Void

    init(_ steps: [Step], onRequest: @escaping @Sendable (Request) async -> Void = { _ in }) {
        self.steps = Mutex(steps)
        self.onRequest = onRequest
    }

    var requests: [Request] { made.withLock { $0 } }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let body = request.body?.withBytes { String(decoding: $0, as: UTF8.self) } ?? ""
        let seen = Request(url: request.url.text, body: body, fields: request.fields)
        made.withLock { $0.append(seen) }
        await onRequest(seen)
        do { try request.beforeSending?() } catch { throw HTTPFailure(wasSent: false, "stopped") }
        let step = steps.withLock { $0.isEmpty ? .answer(500, "the script is over") : $0.removeFirst() }
        switch step {
        case .answer(let status, let text):
            guard let secret = try? SecretBytes(Array(text.utf8)) else { throw HTTPFailure(wasSent: true, "memory") }
            return HTTPResponse(
                status: status,
                fields: [("Content-Type", "application/json")],
                body: SharedSecret(secret)
            )
        case .failure(let wasSent): throw HTTPFailure(wasSent: wasSent, "the connection timed out")
        case .hang:
            try? await Task.sleep(for: .seconds(3600))
            throw HTTPFailure(wasSent: true, "cancelled")
        }
    }
}

/// A clock of which nobody waits for real: whoever sleeps is woken at once, and the time has passed.
final class LeapingClock: Clock {
    struct Instant: InstantProtocol {
        let time: Duration
        func advanced(by duration: Duration) -> Instant { Instant(time: time + duration) }
        func duration(to other: Instant) -> Duration { other.time - time }
        static func < (left: Instant, right: Instant) -> Bool { left.time < right.time }
    }

    private let time = Mutex(Duration.seconds(1_000))
    private let slept = Mutex<[Duration]>([])
    private let onSleep: @Sendable (Int) throws -> Void

    init(onSleep: @escaping @Sendable (Int) throws -> Void = { _ in }) { self.onSleep = onSleep }

    var sleeps: [Duration] { slept.withLock { $0 } }
    var now: Instant { Instant(time: time.withLock { $0 }) }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        try Task.checkCancellation()
        let count = slept.withLock { slept in
            slept.append(now.duration(to: deadline))
            return slept.count
        }
        time.withLock { $0 = max($0, deadline.time) }
        try onSleep(count)
    }
}

/// A clock that stands still until it is told to go on.
final class StandingClock: Clock {
    typealias Instant = LeapingClock.Instant
    private struct State {
        var time = Duration.zero
        var sleepers: [Int: (until: Duration, wake: CheckedContinuation<Void, any Error>)] = [:]
        var next = 0
    }

    private let state = Mutex(State())
    var now: Instant { Instant(time: state.withLock { $0.time }) }
    var minimumResolution: Duration { .zero }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.time >= deadline.time || Task.isCancelled { return true }
                    state.sleepers[id] = (deadline.time, continuation)
                    return false
                }
                if isOver { continuation.resume(with: Result { try Task.checkCancellation() }) }
            }
        } onCancel: {
            state.withLock { $0.sleepers.removeValue(forKey: id) }?.wake.resume(throwing: CancellationError())
        }
    }

    /// Lets time pass once somebody sleeps.
    func advance(by duration: Duration) async throws {
        try await eventually("somebody sleeps") { state.withLock({ !$0.sleepers.isEmpty }) }
        let due = state.withLock { state in
            state.time += duration
            let due = state.sleepers.filter { $0.value.until <= state.time }
            for id in due.keys { state.sleepers[id] = nil }
            return due.values.map(\.wake)
        }
        for sleeper in due { sleeper.resume() }
    }
}

/// What a person saw and was told.
final class Screen: Sendable {
    private let shown = Mutex<[AuthorizationPrompt]>([])
    private let told = Mutex<[String]>([])
    private let lines: AsyncStream<String>
    private let typing: AsyncStream<String>.Continuation
    private let onShow: @Sendable (AuthorizationPrompt, Screen) async -> Void

    init(onShow: @escaping @Sendable (AuthorizationPrompt, Screen) async -> Void = { _, _ in }) {
        self.onShow = onShow
        (lines, typing) = AsyncStream.makeStream()
    }

    var prompts: [AuthorizationPrompt] { shown.withLock { $0 } }
    var notes: [String] { told.withLock { $0 } }
    func type(_ line: String) { typing.yield(line) }

    var interaction: Interaction {
        Interaction(
            show: { prompt in
                self.shown.withLock { $0.append(prompt) }
                await self.onShow(prompt, self)
            },
            note: { note in self.told.withLock { $0.append(note) } },
            pastedLine: {
                for await line in self.lines { return line }
                return nil
            }
        )
    }
}

let grantJSON = #"{"access_token":"at-1","token_type":"Bearer","refresh_token":"rt-1","expires_in":3600}"#

extension SharedSecret {
    var shown: String { withBytes { String(decoding: $0, as: UTF8.self) } }
}

/// Requests of the public client `client-1` to `https://as.example/token`.
func clientRequests(_ http: any HTTPExchange, on clock: any Clock<Duration> = ContinuousClock()) throws
    -> ClientRequests
{
    let endpoint = try EndpointURL("https://as.example/token", as: "the token endpoint")
    return ClientRequests(
        TokenRequest(endpoint: endpoint, client: OAuthClient(id: "client-1", authentication: .none)),
        http: http,
        clock: VaultClock(pauses: clock)
    )
}
