internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import PrivateFiles
internal import Synchronization
internal import VaultAPI
internal import VaultStorage

/// Asks the members of a cluster, one after the other, until one answers.
///
/// A request whose answer was lost is sent again, to another member where there is one. It may then be carried out twice;
/// the caller hears of it (`Answer.mayBeRepeated`) and writes only what compares what it changes, so that the second
/// time changes nothing.
final class EtcdClient: Sendable {
    /// How long a connection may take, the handshake of TLS included.
    static let connectLimit = Duration.seconds(2)
    /// How long one member may take until it begins to answer, and may be silent from then on.
    static let answerLimit = Duration.seconds(2)
    /// What a link must carry in a second, in KiB: a large request may take longer than the limit says.
    static let slowestLink = 128
    /// How often a member that goes on answering is waited for.
    static let longestPatience = 30
    /// How long all members together may take.
    static let wholeLimit = Duration.seconds(10)
    /// How long nobody is asked again after nobody has answered: a command reads several times, and shall not wait each
    /// time.
    static let awayMilliseconds: UInt64 = 5000
    /// More than any answer that is asked for.
    static let longestAnswer = 32 << 20

    let cluster: EtcdCluster
    let clock: VaultClock
    private let http: HTTPClient
    private let identity = EtcdIdentity()
    private let state = Mutex(State())

    private struct State {
        /// The member that answered last.
        var favourite = 0
        var awayUntil: UInt64 = 0
    }

    /// What came back, and whether an earlier attempt may have been carried out as well.
    struct Answer<Message: Sendable>: Sendable {
        var message: Message
        var mayBeRepeated: Bool
    }

    init(_ cluster: EtcdCluster, clock: VaultClock) throws(StoreError) {
        for endpoint in cluster.endpoints where !endpoint.isSecure && !endpoint.member.isThisMachine {
            throw StoreError(
                .unsafe,
                "\(endpoint)",
                "is another machine, and http would show it and everybody in between the password and all writes",
                hint: "write https://\(endpoint.member) into store.yaml, and give the cluster certificates"
            )
        }
        self.cluster = cluster
        self.clock = clock
        http = HTTPClient(
            eventLoopGroup: HTTPClient.defaultEventLoopGroup,
            configuration: try EtcdTransport.configuration(for: cluster, connectLimit: Self.connectLimit)
        )
    }

    deinit {
        // Closes what is open. Nobody is left who could be told of a failure.
        http.shutdown { _ in }
    }

    var subject: String { cluster.address.description }

    /// Asks for one thing, up to the limit of the whole.
    ///
    /// - Parameters:
    ///   - path: Below `/v3/`.
    ///   - request: Whoever hears of the failure of one that writes is told what may have happened.
    /// - Throws: `.unreachable` if no member answers, `.damaged` for an answer that is none, and what the cluster says. An
    ///   `EtcdRefusal` lies beneath the latter.
    func ask<Message: Decodable & Sendable>(
        _ path: String,
        _ request: some Encodable & Sendable,
        for type: Message.Type = Message.self
    ) async throws(StoreError) -> Answer<Message> {
        let body = try encoded(request)
        let writes = (request as? Transaction)?.writes ?? (request is PutRequest)
        // What is to be written may be the only copy of a new token: that is tried in any case.
        if !writes, clock.bootTime < state.withLock({ $0.awayUntil }) {
            throw away("no member answered a moment ago", false)
        }
        let end = ContinuousClock.now + Self.wholeLimit
        var mayBeRepeated = false
        var lastFailure = "no member answered"
        var round = 0
        while true {
            var isAnyoneThere = false
            for (index, endpoint) in order() {
                let left = end - ContinuousClock.now
                guard left > .zero else { break }
                let limit = Self.answerLimit + .seconds(body.readableBytes / 1024) / Self.slowestLink
                let outcome = await attempt(path, body, at: endpoint, within: min(left, limit))
                switch outcome {
                case .answer(let bytes):
                    state.withLock { ($0.favourite, $0.awayUntil) = (index, 0) }
                    return Answer(message: try decoded(bytes, path), mayBeRepeated: mayBeRepeated)
                case .refused(let refusal) where refusal.mayPass:
                    isAnyoneThere = true
                    mayBeRepeated = true
                    lastFailure = "\(endpoint) says: \(refusal.shown)"
                case .refused(let refusal):
                    state.withLock { ($0.favourite, $0.awayUntil) = (index, 0) }
                    throw refusal.error(cluster)
                case .failed(let error):
                    throw error
                case .unsent(let reason):
                    lastFailure = "\(endpoint): \(reason)"
                case .lost(let reason):
                    isAnyoneThere = true
                    mayBeRepeated = true
                    lastFailure = "\(endpoint): \(reason)"
                }
                if Task.isCancelled { throw cancelled(mayBeRepeated && writes) }
            }
            round += 1
            guard isAnyoneThere, ContinuousClock.now < end, round < 64 else { break }
            // An election takes a second or so.
            do { try await clock.pauses.sleep(for: .milliseconds(100)) } catch {
                throw cancelled(mayBeRepeated && writes)
            }
        }
        state.withLock { $0.awayUntil = clock.bootTime + Self.awayMilliseconds }
        throw away(lastFailure, mayBeRepeated && writes)
    }

    /// Opens an answer that does not end; the member that gives it is the one that answered last.
    func stream(_ path: String, _ request: some Encodable & Sendable) async throws(StoreError)
        -> HTTPClientResponse.Body
    {
        let body = try encoded(request)
        var lastFailure = "no member answered"
        for (index, endpoint) in order() {
            var token: String?
            do { token = try await self.token(after: nil, at: endpoint) } catch {
                if let error = error as? StoreError { throw error }
                lastFailure = "\(endpoint): \(reason(error))"
                continue
            }
            do {
                var message = self.message(path, body, at: endpoint, token: token)
                // The member ends the stream when it has lost the others, instead of being silent for ever.
                message.headers.add(name: "Grpc-Metadata-hasleader", value: "true")
                let response = try await http.execute(message, deadline: .distantFuture)
                guard response.status == .ok else {
                    lastFailure = "\(endpoint) answers \(response.status.code)"
                    continue
                }
                state.withLock { $0.favourite = index }
                return response.body
            } catch {
                lastFailure = "\(endpoint): \(reason(error))"
            }
        }
        throw away(lastFailure, false)
    }

    private enum Outcome {
        case answer([UInt8])
        case refused(EtcdRefusal)
        /// It never left.
        case unsent(String)
        /// It may have been carried out.
        case lost(String)
        /// Asking others would not help.
        case failed(StoreError)
    }

    /// Asks one member, and once more with a new token where that was all.
    private func attempt(
        _ path: String,
        _ body: ByteBuffer,
        at endpoint: EtcdCluster.Endpoint,
        within limit: Duration
    ) async -> Outcome {
        var stale: String?
        // Twice anew: a member that has just been started may give out a token and not know it in the next instant.
        for attempt in 0...2 {
            let token: String?
            do {
                token = try await self.token(after: stale, at: endpoint)
            } catch let error as EtcdRefusal {
                return error.mayPass ? .unsent(error.shown) : .failed(error.error(cluster))
            } catch let error as StoreError {
                return .failed(error)
            } catch {
                return .unsent(reason(error))
            }
            let outcome = await send(path, body, at: endpoint, token: token, within: limit)
            guard case .refused(let refusal) = outcome, refusal.isTokenStale, token != nil, attempt < 2 else {
                return outcome
            }
            stale = token
        }
        return .unsent("the token was refused")
    }

    private func token(after stale: String?, at endpoint: EtcdCluster.Endpoint) async throws -> String? {
        guard let user = cluster.user else { return nil }
        return try await identity.token(after: stale) {
            let request = IdentityRequest(name: user.name, password: try EtcdTransport.password(of: user))
            let body = try self.encoded(request)
            switch await self.send("auth/authenticate", body, at: endpoint, token: nil, within: Self.answerLimit) {
            case .answer(let bytes):
                let answer: IdentityAnswer = try self.decoded(bytes, "auth/authenticate")
                // It goes into a header field.
                guard let token = answer.token, !token.isEmpty, token.utf8.count <= 8192,
                    token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
                else { throw self.damaged("auth/authenticate", "gave no token") }
                return token
            case .refused(let refusal): throw refusal
            case .failed(let error): throw error
            case .unsent(let reason), .lost(let reason): throw EtcdRefusal(code: 14, words: reason)
            }
        }
    }

    private func send(
        _ path: String,
        _ body: ByteBuffer,
        at endpoint: EtcdCluster.Endpoint,
        token: String?,
        within limit: Duration
    ) async -> Outcome {
        do {
            let message = message(path, body, at: endpoint, token: token)
            let response = try await http.execute(message, deadline: .now() + TimeAmount(limit))
            let all = try await collect(response.body)
            if response.status == .ok { return .answer(all) }
            guard let answer = try? JSONDecoder().decode(RefusalAnswer.self, from: Data(all)),
                let code = answer.code ?? answer.grpcCode
            else {
                // A proxy, or somebody else's server. The words are theirs, and stay there.
                return .lost("it answers \(response.status.code), which is no answer of etcd")
            }
            return .refused(EtcdRefusal(code: code, words: answer.message ?? answer.error ?? ""))
        } catch is NIOTooManyBytesError {
            return .refused(EtcdRefusal(code: 8, words: "received message larger than max (\(Self.longestAnswer))"))
        } catch {
            return EtcdTransport.isUnsent(error) ? .unsent(reason(error)) : .lost(reason(error))
        }
    }

    /// How many parts of an answer have come.
    private final class Parts: Sendable {
        let count = Atomic(0)
    }

    /// The whole answer.
    ///
    /// The deadline of a request ends with the head of its answer, so what follows is watched here.
    private func collect(_ body: HTTPClientResponse.Body) async throws -> [UInt8] {
        let parts = Parts()
        return try await withThrowingTaskGroup { group in
            group.addTask {
                var all: [UInt8] = []
                for try await part in body {
                    guard all.count + part.readableBytes <= Self.longestAnswer else {
                        throw NIOTooManyBytesError(maxBytes: Self.longestAnswer)
                    }
                    all += part.readableBytesView
                    parts.count.add(1, ordering: .relaxed)
                }
                return all
            }
            group.addTask {
                for _ in 0..<Self.longestPatience {
                    let before = parts.count.load(ordering: .relaxed)
                    try await Task.sleep(for: Self.answerLimit)
                    if parts.count.load(ordering: .relaxed) == before { break }
                }
                throw HTTPClientError.readTimeout
            }
            defer { group.cancelAll() }
            return try await group.next() ?? []
        }
    }

    private func message(
        _ path: String,
        _ body: ByteBuffer,
        at endpoint: EtcdCluster.Endpoint,
        token: String?
    ) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: "\(endpoint)/v3/\(path)")
        message.method = .POST
        message.headers.add(name: "Content-Type", value: "application/json")
        message.headers.add(name: "User-Agent", value: "vault")
        if let token { message.headers.add(name: "Authorization", value: token) }
        message.body = .bytes(body)
        return message
    }

    /// The members, the one that answered last first.
    private func order() -> [(Int, EtcdCluster.Endpoint)] {
        let all = Array(cluster.endpoints.enumerated()).map { ($0.offset, $0.element) }
        let first = min(state.withLock { $0.favourite }, all.count - 1)
        return Array(all[first...] + all[..<first])
    }

    private func encoded(_ request: some Encodable) throws(StoreError) -> ByteBuffer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        do { return ByteBuffer(bytes: try encoder.encode(request)) } catch {
            throw StoreError(.invalid, subject, "a request cannot be written")
        }
    }

    private func decoded<Message: Decodable>(_ bytes: [UInt8], _ path: String) throws(StoreError) -> Message {
        // What the decoder says may quote the answer.
        do { return try JSONDecoder().decode(Message.self, from: Data(bytes)) } catch {
            throw damaged(path, "gave an answer that etcd does not give")
        }
    }

    func damaged(_ path: String, _ message: String) -> StoreError {
        StoreError(.damaged, subject, "the cluster \(message), asked for \(path)")
    }

    private func cancelled(_ mayBeApplied: Bool) -> StoreError {
        let outcome = mayBeApplied ? "; what was sent may or may not have been applied" : ""
        return StoreError(.unavailable, subject, "the request was cancelled\(outcome)")
    }

    private func away(_ reason: String, _ mayBeApplied: Bool) -> StoreError {
        let members = cluster.endpoints.count == 1 ? "the member does not answer" : "no member answers"
        let outcome = mayBeApplied ? "; what was sent may or may not have been applied" : ""
        return StoreError(
            .unreachable,
            subject,
            "\(members) (\(reason))\(outcome)",
            hint: "look at it with: etcdctl endpoint health --cluster"
        )
    }
}

extension TimeAmount {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
