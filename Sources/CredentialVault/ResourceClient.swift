public import AsyncHTTPClient
public import NIOCore
internal import NIOHTTP1
internal import HTTPGuards
internal import OAuthFlows
internal import Synchronization
public import VaultAPI

/// Sends requests to one resource (RFC 6749 §1.1), each with a token that is valid now.
///
/// ```swift
/// let github = try ResourceClient(credentials, for: "github", at: "https://api.github.com")
/// let answer = try await github.execute(HTTPClientRequest(url: "https://api.github.com/user"), timeout: .seconds(30))
/// ```
///
/// The token goes to that scheme, host and port and nowhere else. A request for another is refused before anything is
/// sent, and no redirect is followed: the 3xx is the answer.
public final class ResourceClient: Sendable {
    private let broker: any CredentialBroker
    private let name: String
    private let origin: ResourceOrigin
    private let client: HTTPClient
    private let minimumValiditySeconds: Int64
    /// A new token that was refused as well, and until when it is not replaced once more: a resource that takes none of
    /// them would have each request spend a refresh token.
    private let refused = Mutex<(token: String, until: NIODeadline)?>(nil)
    private static let pauseAfterRefusal = TimeAmount.seconds(60)
    /// RFC 9449 §9: the nonce that the resource gave last, for the next proof.
    private let nonce = Mutex<String?>(nil)

    /// A client for the resource at `resource`, with the tokens of the entry `name`.
    ///
    /// It has connections of its own, because AsyncHTTPClient follows redirects or does not for all requests of a client:
    /// on one that is shared with other code nobody could promise where a token goes.
    ///
    /// - Parameters:
    ///   - broker: ``Credentials``, or whoever else gives out tokens.
    ///   - name: `x` or `oauth:x`; or `static:x` for a static secret.
    ///   - resource: A URL of the resource, of which the scheme, the host and the port count; `https`, or `http` on this
    ///     machine.
    ///   - configuration: Certificates, proxy and timeouts, as for any `HTTPClient`. What it says of redirects does not
    ///     count, and a resource on this machine is never asked through the proxy.
    /// - Throws: `.unsafe` if no token may be sent to that URL.
    public convenience init(
        _ broker: any CredentialBroker,
        for name: String,
        at resource: String,
        configuration: HTTPClient.Configuration = HTTPClient.Configuration()
    ) throws(VaultError) {
        try self.init(broker, for: name, at: resource, configuration: configuration, minimumValiditySeconds: 0)
    }

    /// A client whose tokens are valid for so many seconds more when they are sent, where the server grants as much.
    package init(
        _ broker: any CredentialBroker,
        for name: String,
        at resource: String,
        configuration: HTTPClient.Configuration,
        minimumValiditySeconds: Int64
    ) throws(VaultError) {
        self.minimumValiditySeconds = minimumValiditySeconds
        origin = try ResourceOrigin(of: resource)
        self.broker = broker
        self.name = name
        var configuration = configuration
        configuration.redirectConfiguration = .disallow
        // The proxy's loopback is not ours.
        if origin.isLoopback { configuration.proxy = nil }
        // The check sits in the pipeline of HTTP/1.
        configuration.httpVersion = .http1Only
        configuration.refuseImpossibleStatuses()
        client = HTTPClient(configuration: configuration)
    }

    deinit {
        // Answers that are being read hold this object, so nobody waits for these connections any more.
        client.shutdown { _ in }
    }

    /// Sends a request with a token; after a 401, once more with a new one.
    ///
    /// RFC 6750 §3.1: with `invalid_token`, "the client MAY request a new access token and retry the protected resource
    /// request". The 401 itself is the answer where there is no other token, as for a static secret; where the body
    /// is a stream, which cannot be sent twice (the next request has the new token); and where the second one is refused
    /// as well. A resource that wants a nonce in the proof of a bound token (RFC 9449 §9) gets it in one more request.
    ///
    /// - Parameters:
    ///   - request: Its `Authorization`, `DPoP` and `Host` fields, if it has any, are replaced.
    ///   - deadline: For sending and receiving; a refresh has its own.
    /// - Throws: `VaultError` for what the broker throws, and `.unsafe` for a URL that the token is not for; what
    ///   `HTTPClient` throws otherwise.
    public func execute(_ request: HTTPClientRequest, deadline: NIODeadline) async throws -> HTTPClientResponse {
        try await exchange(request, deadline: deadline).answer
    }

    /// Sends a request with a token; after a 401, once more with a new one.
    ///
    /// - Parameters:
    ///   - request: Its `Authorization`, `DPoP` and `Host` fields, if it has any, are replaced.
    ///   - timeout: For sending and receiving; a refresh has its own.
    /// - Throws: As `execute(_:deadline:)`.
    public func execute(_ request: HTTPClientRequest, timeout: TimeAmount) async throws -> HTTPClientResponse {
        try await execute(request, deadline: .now() + timeout)
    }

    /// What a request led to.
    package struct Exchange: Sendable {
        /// As `execute` gives it.
        package let answer: HTTPClientResponse
        /// The token that was sent, and the one that was refused before it: what the answer must not show to others.
        package let presented: [AccessToken]
    }

    /// As `execute(_:deadline:)`, for a caller that passes the answer on to somebody who may not have the token.
    package func exchange(_ request: HTTPClientRequest, deadline: NIODeadline) async throws -> Exchange {
        let target = try origin.target(of: request.url, for: name)
        var first = try await authorization(of: request, target, TokenRequirements())
        var answer = try await send(request, first, deadline)
        var presented = [first.token]
        if answer.status == .unauthorized, answer.asksForNonce, answer.nonce != nil, request.canBeSentAgain {
            first = try await authorization(of: request, target, TokenRequirements())
            answer = try await send(request, first, deadline)
            presented.append(first.token)
        }
        guard answer.status == .unauthorized, !answer.asksForNonce else {
            return Exchange(answer: answer, presented: presented)
        }
        let isRefusedAlready = refused.withLock { refused in
            refused.map { $0.token == first.token.value && .now() < $0.until } ?? false
        }
        guard !isRefusedAlready else { return Exchange(answer: answer, presented: presented) }
        var requirements = TokenRequirements()
        requirements.rejected = first.token
        let second = try await authorization(of: request, target, requirements)
        presented.append(second.token)
        if second.token.value != first.token.value, request.canBeSentAgain {
            answer = try await send(request, second, deadline)
            if answer.status == .unauthorized {
                refused.withLock { $0 = (second.token.value, .now() + Self.pauseAfterRefusal) }
            }
        }
        return Exchange(answer: answer, presented: presented)
    }

    private func authorization(
        of request: HTTPClientRequest,
        _ target: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        var requirements = requirements
        requirements.dpopNonce = nonce.withLock { $0 }
        requirements.minimumValiditySeconds = minimumValiditySeconds
        let authorization = try await broker.authorization(
            for: name,
            method: request.method.rawValue,
            url: target,
            requirements
        )
        // RFC 9110 §5.5. AsyncHTTPClient checks as well, but its error quotes the value.
        guard authorization.fields.allSatisfy({ $0.value.utf8.allSatisfy { $0 >= 0x20 && $0 <= 0x7E } }) else {
            throw VaultError(.unsafe, "\(name) holds characters that no header may carry; nothing was sent")
        }
        return authorization
    }

    private func send(
        _ request: HTTPClientRequest,
        _ authorization: Authorization,
        _ deadline: NIODeadline
    ) async throws -> HTTPClientResponse {
        var authorized = request
        for name in ["Authorization", "DPoP", "Host"] { authorized.headers.remove(name: name) }
        for (name, value) in authorization.fields { authorized.headers.add(name: name, value: value) }
        var answer = try await client.execute(authorized, deadline: deadline)
        if let given = answer.nonce { nonce.withLock { $0 = given } }
        // The history holds the request as it was sent, and whoever logs an answer would log the token.
        answer.history = answer.history.map {
            HTTPClientRequestResponse(request: request, responseHead: $0.responseHead)
        }
        answer.body = .stream(BodyOfClient(body: answer.body, client: self))
        return answer
    }
}

/// The rest of an answer, which keeps the client that it comes through.
private struct BodyOfClient: AsyncSequence {
    typealias Element = ByteBuffer

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: HTTPClientResponse.Body.AsyncIterator
        let client: ResourceClient

        mutating func next() async throws -> ByteBuffer? { try await base.next() }
    }

    let body: HTTPClientResponse.Body
    let client: ResourceClient

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: body.makeAsyncIterator(), client: client) }
}

extension HTTPClientResponse {
    /// RFC 9449 §9: the resource wants a nonce in the proof; the token is as good as it was, and no refresh helps.
    fileprivate var asksForNonce: Bool {
        (try? ResourceChallenge(fields: headers["WWW-Authenticate"]))?.error == "use_dpop_nonce"
    }

    /// RFC 9449 §8.1.
    fileprivate var nonce: String? {
        let values = headers["DPoP-Nonce"]
        guard values.count == 1, let value = values.first, DPoPNonces.isNonce(value) else { return nil }
        return value
    }
}
