internal import AsyncHTTPClient
internal import CredentialVault
internal import NIOCore
internal import NIOHTTP1
internal import OAuthFlows
internal import Synchronization
internal import VaultAPI

/// Takes a client's request to the resource, and the answer back.
struct Forwarding: Sendable {
    /// Bodies up to here are kept, so that they can be sent again.
    static let keptBody = 1 << 20
    /// An answer has no deadline while its client waits; this ends what neither end remembers.
    private static let longest = TimeAmount.hours(24)
    /// A 403 waits in memory while somebody logs in; what is longer is no answer of an authorization check.
    private static let longestRefusal = 1 << 20

    let name: String
    let origin: String
    let client: ResourceClient
    let stepUps: StepUps
    let report: @Sendable (VaultError) -> Void
    private let presented = PresentedTokens()

    func serve(_ local: LocalExchange) async {
        var answer: Answer
        do {
            answer = try await self.answer(to: local)
        } catch {
            guard !Task.isCancelled, !(error is ClientGone) else { return }
            let problem = problem(error)
            report(problem.error)
            try? await local.refuse(problem.refusal)
            return
        }
        do {
            try await pass(&answer, to: local)
        } catch {
            if !Task.isCancelled, !(error is ClientGone) {
                report(VaultError(.temporary, "\(origin) cut its answer off: \(sentence(for: error))"))
            }
            local.cut()
        }
    }

    // MARK: - There

    /// An answer on its way.
    private struct Answer {
        var response: HTTPClientResponse
        var tokens: [String]
        /// The body, where it was read already.
        var kept: ByteBuffer?

        /// What the resource says about the token; `nil` where it says nothing that can be understood.
        var challenge: ResourceChallenge? { try? ResourceChallenge(fields: response.headers["WWW-Authenticate"]) }
    }

    private func answer(to local: LocalExchange) async throws -> Answer {
        let seen = stepUps.finished
        let (request, canRepeat) = try await request(of: local)
        var answer = try await send(request)
        guard answer.response.status == .forbidden, let challenge = answer.challenge,
            challenge.error == "insufficient_scope"
        else { return answer }
        // While somebody logs in, the resource may well close the connection.
        answer.kept = try await answer.response.body.collect(upTo: Self.longestRefusal)
        guard await stepUps.run(challenge.scopes, seen: seen), canRepeat, !Task.isCancelled else { return answer }
        return try await send(request)
    }

    private func send(_ request: HTTPClientRequest) async throws -> Answer {
        let exchange = try await client.exchange(request, deadline: .now() + Self.longest)
        return Answer(response: exchange.answer, tokens: presented.adding(exchange.presented.map(\.value)))
    }

    private func request(of local: LocalExchange) async throws -> (HTTPClientRequest, canRepeat: Bool) {
        var request = HTTPClientRequest(url: local.accepted.url)
        request.method = local.head.method
        request.headers = FieldRules.sent(local.head.headers)
        let length = local.head.headers.first(name: "Content-Length")
        let declared = length.flatMap { Int64($0) }
        guard length == nil || declared != nil else {
            throw Refusal(.badRequest, "its Content-Length is no number of bytes that anybody could send")
        }
        guard declared != nil || local.head.headers.contains(name: "Transfer-Encoding") else { return (request, true) }
        switch try await local.body.keep(upTo: Self.keptBody, declared: declared) {
        case .whole(let bytes):
            if bytes.readableBytes > 0 { request.body = .bytes(bytes) }
            return (request, true)
        case .beginning(let bytes):
            let stream = ContinuedBody(beginning: bytes, rest: local.body)
            request.body = .stream(stream, length: declared.map { .known($0) } ?? .unknown)
            return (request, false)
        }
    }

    // MARK: - And back

    private func pass(_ answer: inout Answer, to local: LocalExchange) async throws {
        let response = answer.response
        let fields = FieldRules.answered(response.headers, without: answer.tokens) {
            relocated($0, from: origin, to: local.accepted.host)
        }
        let length = response.headers.first(name: "Content-Length")
        try await local.begin(response.status, fields, length: answer.kept.map { "\($0.readableBytes)" } ?? length)
        if let kept = answer.kept {
            try await local.send(kept)
        } else {
            for try await part in response.body { try await local.send(part) }
        }
        try await local.end()
    }

    // MARK: - Or not

    /// What the client is told, and what the person who started the proxy is.
    private func problem(_ error: any Error) -> (error: VaultError, refusal: Refusal) {
        if let refusal = error as? Refusal { return (VaultError(.failed, refusal.text), refusal) }
        guard let error = error as? VaultError else {
            let error = VaultError(.temporary, "\(origin) gave no answer: \(sentence(for: error))")
            return (error, Refusal(.badGateway, error.message))
        }
        var told = error
        if error.code == .loginRequired, error.hint?.contains("vault ") != true {
            let short = name.hasPrefix("oauth:") ? String(name.dropFirst(6)) : name
            told = VaultError(error.code, error.message, hint: "vault login \(short)", underlying: error.underlying)
        }
        return (told, Refusal(.serviceUnavailable, told.description))
    }
}

/// The tokens that went to the resource last, which may come back in any later answer.
private final class PresentedTokens: Sendable {
    /// As many as are good at the same time, and more.
    private static let most = 8
    private let tokens = Mutex<[String]>([])

    /// All of them, with these.
    func adding(_ more: [String]) -> [String] {
        tokens.withLock { tokens in
            for token in more where !tokens.contains(token) { tokens.append(token) }
            tokens.removeFirst(max(0, tokens.count - Self.most))
            return tokens
        }
    }
}
