internal import AsyncHTTPClient
internal import Glibc
internal import HTTPGuards
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization
package import VaultAPI
internal import VaultCrypto

/// Exchanges over the network, each through a client and a connection of its own.
///
/// A pooled connection may be found closed by the server at the moment it is used, and then nobody knows whether the
/// request was read: for a refresh token, that is the difference between "try again" and "log in again". So none is
/// kept, and no request is sent twice. The event loops are the process's own, so a client costs no thread.
package struct AsyncHTTPExchange: HTTPExchange {
    let trust: TrustedCertificates
    let proxy: ProxySettings?

    /// Reads `SSL_CERT_FILE`, `HTTPS_PROXY` and `NO_PROXY`, which neither AsyncHTTPClient nor NIOSSL does.
    ///
    /// - Parameter caFile: Certificates, in PEM, that are trusted instead of the system's; wins over `SSL_CERT_FILE`.
    /// - Throws: `.configuration` if there is no certificate in `caFile`, or the proxy is malformed.
    package init(environment: [String: String], caFile: String? = nil) throws(VaultError) {
        proxy = try ProxySettings(environment: environment)
        // What the user names on the command line is looked at at once. What stands in the environment of a command that
        // may need no server is not: a bundle of the usual size takes longer to read than the rest of the command.
        if let caFile {
            trust = TrustedCertificates(path: caFile, namedBy: "--ca-file")
            _ = try trust.roots()
        } else {
            trust = TrustedCertificates(path: environment["SSL_CERT_FILE"] ?? "", namedBy: "SSL_CERT_FILE")
        }
    }

    /// Sends `request` once, follows no redirect, and reads the whole answer.
    ///
    /// A URL with a least reach is resolved here, each address is checked, and the connection goes to one that was
    /// checked: a name that has another address a moment later (DNS rebinding) leads nowhere else.
    package func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        guard request.url.leastReach > .machine, !isProxied(request.url) else {
            return try await send(request, to: nil)
        }
        let began = ContinuousClock.now
        let addresses = try await HostAddresses(of: request.url, within: request.connectTimeout).checked()
        for address in addresses.dropLast() {
            var attempt = request
            attempt.timeout = max(request.timeout - (ContinuousClock.now - began), .milliseconds(1))
            // Of several addresses, half may belong to a network that this machine is not in.
            attempt.connectTimeout = min(request.connectTimeout, .seconds(3))
            do throws(HTTPFailure) { return try await send(attempt, to: address) } catch {
                guard !error.wasSent, !Task.isCancelled else { throw error }
            }
        }
        var last = request
        last.timeout = max(request.timeout - (ContinuousClock.now - began), .milliseconds(1))
        return try await send(last, to: addresses.last)
    }

    /// How far away a URL's host is by the addresses that its name has now; by its text where a proxy resolves it.
    package func reach(of url: EndpointURL) async throws(HTTPFailure) -> FoundReach {
        guard !isProxied(url) else { return FoundReach(reach: url.reach, isByAddress: false) }
        return FoundReach(
            reach: try await HostAddresses(of: url, within: .seconds(10)).nearest,
            isByAddress: true
        )
    }

    /// Whether requests to this URL go through a proxy, which then resolves its name.
    package func isProxied(_ url: EndpointURL) -> Bool { proxy?.applies(to: url) ?? false }

    private func send(_ request: HTTPRequest, to address: String?) async throws(HTTPFailure) -> HTTPResponse {
        let sending = Sending(request)
        guard !Task.isCancelled else {
            throw HTTPFailure(wasSent: false, "the request was cancelled before it was sent")
        }
        let prepared = try prepare(request, sending)
        var configuration: HTTPClient.Configuration
        do {
            configuration = try self.configuration(request, sending)
        } catch {
            throw HTTPFailure(wasSent: false, error.message)
        }
        // By the host as AsyncHTTPClient has read it, since it looks there byte for byte.
        if let address { configuration.dnsOverride[prepared.host.trimmingBrackets] = address }
        let client = HTTPClient(
            eventLoopGroup: HTTPClient.defaultEventLoopGroup,
            configuration: configuration
        )
        let loop = HTTPClient.defaultEventLoopGroup.any()
        let reader = ResponseReader(limit: request.maximumBodyBytes, isHeadEnough: request.isHeadEnough)
        let task = client.execute(
            request: prepared,
            delegate: reader,
            // With the delegate on the channel's loop, nothing is between writing and knowing that it was written.
            eventLoop: .delegateAndChannel(on: loop),
            deadline: .now() + TimeAmount(request.timeout)
        )
        let result: Result<HTTPResponse, any Error>
        do {
            result = .success(
                try await withTaskCancellationHandler {
                    try await task.get()
                } onCancel: {
                    task.cancel()
                }
            )
        } catch {
            result = .failure(error)
        }
        // Fails only for a client that is shut down already. It closes the connection, also one that hangs.
        try? await client.shutdown().get()
        sending.wipe()
        switch result {
        case .success(let response): return response
        case .failure(let error):
            if let head = reader.headAlone { return head }
            let target = "\(request.method.rawValue) \(request.url.withoutQuery)"
            throw HTTPFailure(wasSent: sending.wasSent, "\(target): \(sentence(for: error, of: request))")
        }
    }

    private func prepare(_ request: HTTPRequest, _ sending: Sending) throws(HTTPFailure) -> HTTPClient.Request {
        var headers = HTTPHeaders()
        for (name, value) in request.fields {
            // RFC 9110 §5.5. AsyncHTTPClient checks as well, but its error quotes the value.
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7E }), !name.isEmpty,
                name.utf8.allSatisfy({ $0 > 0x20 && $0 <= 0x7E && $0 != UInt8(ascii: ":") })
            else { throw HTTPFailure(wasSent: false, "a header field holds a character that none may hold; not sent") }
            headers.add(name: name, value: value)
        }
        headers.replaceOrAdd(name: "Accept-Encoding", value: "identity")
        headers.replaceOrAdd(name: "Connection", value: "close")
        headers.replaceOrAdd(name: "Host", value: request.url.authority)
        if !headers.contains(name: "User-Agent") { headers.add(name: "User-Agent", value: "vault") }
        var body: HTTPClient.Body?
        if let bytes = request.body, bytes.count > 0 {
            body = .stream(contentLength: Int64(bytes.count)) { writer in
                do { try sending.begin() } catch {
                    return HTTPClient.defaultEventLoopGroup.any().makeFailedFuture(error)
                }
                return writer.write(.byteBuffer(sending.copy(bytes)))
            }
        }
        do {
            let method: HTTPMethod = request.method == .get ? .GET : .POST
            let prepared = try HTTPClient.Request(url: request.url.text, method: method, headers: headers, body: body)
            // AsyncHTTPClient reads the URL once more, with Foundation. The readings must not differ.
            guard "\(prepared.url)" == request.url.text, prepared.port == request.url.port,
                prepared.useTLS == (request.url.scheme == "https"),
                prepared.host.lowercased().trimmingBrackets == request.url.host
            else { throw HTTPClientError.invalidURL }
            return prepared
        } catch {
            throw HTTPFailure(wasSent: false, "\(request.url.withoutQuery) cannot be asked: the URL has two readings")
        }
    }

    /// What every client has that sends to this URL: its certificates, the proxy, and no redirects.
    ///
    /// - Throws: `.configuration` if the certificates cannot be read.
    func configuration(
        for url: EndpointURL,
        connectTimeout: TimeAmount
    ) throws(VaultError) -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if url.scheme == "https" { tls.trustRoots = try trust.roots() }
        tls.minimumTLSVersion = .tlsv12
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            // RFC 9700 §4.12: a redirected token request would show the token to another host.
            redirectConfiguration: .disallow,
            timeout: .init(connect: connectTimeout),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.tracing.tracer = nil
        if let proxy, proxy.applies(to: url) {
            configuration.proxy = .server(
                host: proxy.host,
                port: proxy.port,
                authorization: proxy.credentials.map { .basic(credentials: $0) }
            )
        }
        return configuration
    }

    private func configuration(
        _ request: HTTPRequest,
        _ sending: Sending
    ) throws(VaultError) -> HTTPClient.Configuration {
        // The deadline of the whole does not end an attempt to connect.
        let connect = TimeAmount(min(request.connectTimeout, request.timeout))
        var configuration = try configuration(for: request.url, connectTimeout: connect)
        if (request.body?.count ?? 0) == 0 {
            // A request without a body goes out as soon as the connection stands, which this is the last call before.
            configuration.http1_1ConnectionDebugInitializer = { channel in
                do {
                    try sending.begin()
                    return channel.eventLoop.makeSucceededVoidFuture()
                } catch {
                    // The pool takes the connection for one that never was, and would leave it open.
                    channel.close(promise: nil)
                    return channel.eventLoop.makeFailedFuture(error)
                }
            }
        }
        configuration.refuseImpossibleStatuses()
        return configuration
    }
}

/// What is known of the request on its way out.
private final class Sending: Sendable {
    private struct State {
        var wasSent = false
        var buffer: ByteBuffer?
    }

    private let state = Mutex(State())
    private let beforeSending: (@Sendable () throws -> Void)?

    init(_ request: HTTPRequest) { beforeSending = request.beforeSending }

    var wasSent: Bool { state.withLock { $0.wasSent } }

    /// Asks whether the request may go, and from there on counts it as sent.
    func begin() throws {
        do { try beforeSending?() } catch { throw Stopped(underlying: error) }
        state.withLock { $0.wasSent = true }
    }

    /// The body in memory that NIO can write from.
    func copy(_ body: SharedSecret) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: body.count)
        body.withSecret { secret in secret.withUnsafeBytes { _ = buffer.writeBytes($0) } }
        state.withLock { $0.buffer = buffer }
        return buffer
    }

    /// Wipes that memory; only once the connection is closed, since NIO may read from it until then.
    func wipe() {
        state.withLock { state in
            state.buffer.map(wipeBytes)
            state.buffer = nil
        }
    }
}

/// `beforeSending` said no.
private struct Stopped: Error {
    let underlying: any Error
}

/// Overwrites the readable bytes of a buffer in place, other references to it included.
///
/// `ByteBuffer`'s own way to write would copy the bytes first where anyone shares them, and wipe the copy.
private func wipeBytes(_ buffer: ByteBuffer) {
    buffer.withUnsafeReadableBytes { bytes in
        _ = UnsafeMutableRawBufferPointer(mutating: bytes).initializeMemory(as: UInt8.self, repeating: 0)
    }
}

/// Reads an answer into secret memory, within bounds.
private final class ResponseReader: HTTPClientResponseDelegate {
    typealias Response = HTTPResponse

    private struct State: ~Copyable {
        var head: HTTPResponseHead?
        var body: SecretBuffer?
        var failure: (any Error)?
    }

    /// More than servers send; NIO's parser has limits of its own, which are wider.
    private static let maximumFields = 100
    private static let maximumFieldBytes = 32 << 10

    private let limit: Int
    private let isHeadEnough: Bool
    private let state = Mutex(State())

    init(limit: Int, isHeadEnough: Bool) { (self.limit, self.isHeadEnough) = (limit, isHeadEnough) }

    /// The answer without its body, where its head was all that was wanted and has come.
    var headAlone: HTTPResponse? {
        guard isHeadEnough, let head = state.withLock({ $0.head }), let empty = try? SecretBytes(zeroed: 0) else {
            return nil
        }
        return Self.response(head, SharedSecret(empty))
    }

    private static func response(_ head: HTTPResponseHead, _ body: SharedSecret) -> HTTPResponse {
        HTTPResponse(status: Int(head.status.code), fields: head.headers.map { ($0.name, $0.value) }, body: body)
    }

    func didReceiveHead(task: HTTPClient.Task<Response>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let size = head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        if head.headers.count > Self.maximumFields || size > Self.maximumFieldBytes {
            return task.eventLoop.makeFailedFuture(TooLong.head)
        }
        let length = head.headers.first(name: "Content-Length").flatMap { Int($0) } ?? 0
        if isHeadEnough {
            state.withLock { $0.head = head }
            return task.eventLoop.makeFailedFuture(HeadIsEnough())
        }
        if length > limit { return task.eventLoop.makeFailedFuture(TooLong.body) }
        state.withLock { $0.head = head }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Response>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        defer { wipeBytes(buffer) }
        do {
            try state.withLock { state in
                var body = try state.body.take() ?? SecretBuffer(capacity: 4096)
                guard body.count + buffer.readableBytes <= limit else { throw TooLong.body }
                try buffer.withUnsafeReadableBytes { try body.append($0) }
                state.body = consume body
            }
            return task.eventLoop.makeSucceededVoidFuture()
        } catch {
            return task.eventLoop.makeFailedFuture(error)
        }
    }

    func didFinishRequest(task: HTTPClient.Task<Response>) throws -> Response {
        try state.withLock { state in
            guard let head = state.head else { throw HTTPClientError.remoteConnectionClosed }
            let bytes = try state.body.take()?.finish() ?? SecretBytes(zeroed: 0)
            var response = Self.response(head, SharedSecret(bytes))
            response.isDelimited =
                head.headers.contains(name: "Content-Length") || head.headers.contains(name: "Transfer-Encoding")
            return response
        }
    }

    func didReceiveError(task: HTTPClient.Task<Response>, _ error: any Error) {
        state.withLock { $0.body = nil }
    }
}

/// Ends an answer of which nothing more is wanted.
private struct HeadIsEnough: Error {}

/// An answer beyond the bounds.
private enum TooLong: Error {
    case head, body
}

/// What failed, from an error of one of the layers below.
///
/// None of their descriptions is used as it is: some quote header values or bytes of the answer.
private func sentence(for error: any Error, of request: HTTPRequest) -> String {
    switch error {
    case let stopped as Stopped:
        return (stopped.underlying as? VaultError)?.message ?? "it was stopped before it was sent"
    case TooLong.head: return "the answer has more header fields than any answer needs"
    case TooLong.body: return "the answer is longer than \(request.maximumBodyBytes) bytes"
    case let error as NIOConnectionError:
        if error.connectionErrors.isEmpty { return "the name \(error.host) cannot be resolved" }
        return "no connection: " + (error.connectionErrors.first.map { reason($0.error) } ?? "refused")
    case let error as HTTPClientError:
        switch error {
        case .deadlineExceeded: return "no whole answer within \(request.timeout)"
        case .connectTimeout, .tlsHandshakeTimeout, .httpProxyHandshakeTimeout, .getConnectionFromPoolTimeout:
            return "no connection within \(request.connectTimeout)"
        case .remoteConnectionClosed: return "the connection was closed before the answer was complete"
        case .cancelled: return "it was cancelled"
        case .proxyAuthenticationRequired: return "the proxy wants a user name and password"
        case .invalidProxyResponse: return "the proxy did not open a connection"
        default: return error.shortDescription
        }
    default: return reason(error)
    }
}

/// The part of such a sentence that is about the connection, whoever sent what on it.
package func reason(_ error: any Error) -> String {
    switch error {
    case let error as IOError:
        let text = String(cString: strerror(error.errnoCode))
        return text.prefix(1).lowercased() + text.dropFirst()
    case is ImpossibleStatus: return "the answer has a status that HTTP does not know"
    case is HTTPParserError: return "the answer is no HTTP, or was cut off"
    case ChannelError.connectTimeout: return "the connection timed out"
    case is ChannelError: return "the connection was closed"
    case NIOSSLError.uncleanShutdown: return "the answer was cut off (TLS was closed without a word)"
    case let error as NIOSSLError:
        if case .handshakeFailed(.sslError(let errors)) = error {
            let isCertificate = errors.contains { "\($0)".contains("CERTIFICATE_VERIFY_FAILED") }
            return isCertificate
                ? "the server's certificate is not trusted (SSL_CERT_FILE names others that are)"
                : "the TLS handshake failed"
        }
        return "the TLS handshake failed"
    case is NIOSSLExtraError: return "the server's certificate is for another host"
    case is SocketAddressError: return "the name cannot be resolved"
    case is CryptoError: return "there is no memory for the answer"
    default: return "it failed (\(type(of: error)))"
    }
}

extension String {
    fileprivate var trimmingBrackets: String {
        hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self
    }
}
