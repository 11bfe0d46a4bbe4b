internal import NIOCore
internal import NIOHTTP1

/// One request of a client and the way back to it, for use off the connection's event loop.
struct LocalExchange: Sendable {
    let head: HTTPRequestHead
    let accepted: RequestRules.Accepted
    let connection: NIOLoopBound<LocalConnection>
    let loop: any EventLoop
    let number: Int

    /// What is left of the request's body.
    var body: RequestBody { RequestBody(exchange: self) }

    /// Begins the answer.
    ///
    /// - Parameter length: `nil` where nobody knows it yet.
    func begin(_ status: HTTPResponseStatus, _ fields: HTTPHeaders, length: String?) async throws {
        var fields = fields
        if status.mayHaveResponseBody || head.method == .HEAD || status == .notModified {
            if let length {
                fields.add(name: "Content-Length", value: length)
            } else if head.method != .HEAD, status.mayHaveResponseBody, head.version == .http1_1 {
                fields.add(name: "Transfer-Encoding", value: "chunked")
            }
        }
        try await write(.head(HTTPResponseHead(version: .http1_1, status: status, headers: fields)))
    }

    /// Sends a part of the answer's body, and returns when the client's socket has taken it.
    func send(_ part: ByteBuffer) async throws {
        guard hasBody, part.readableBytes > 0 else { return }
        try await write(.body(.byteBuffer(part)))
    }

    func end() async throws { try await write(.end(nil)) }

    /// Answers with our own words, where nothing of an answer has been sent.
    func refuse(_ refusal: Refusal) async throws {
        var fields = refusal.headers
        fields.remove(name: "Content-Length")
        try await begin(refusal.status, fields, length: "\(refusal.body.utf8.count)")
        try await send(ByteBuffer(string: refusal.body))
        try await end()
    }

    /// Leaves the client with less than an answer, and lets it know.
    func cut() {
        let (connection, number) = (connection, number)
        loop.execute { connection.value.cut(number) }
    }

    private var hasBody: Bool { head.method != .HEAD }

    private func write(_ part: HTTPServerResponsePart) async throws {
        let (connection, number) = (connection, number)
        try await loop.flatSubmit { connection.value.answer(part, of: number) }.get()
    }
}

/// The body of a client's request, read as it is asked for, once.
struct RequestBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let exchange: LocalExchange

    struct AsyncIterator: AsyncIteratorProtocol {
        let exchange: LocalExchange

        func next() async throws -> ByteBuffer? {
            let (connection, number) = (exchange.connection, exchange.number)
            return try await exchange.loop.flatSubmit { connection.value.nextPart(of: number) }.get()
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(exchange: exchange) }

    /// What a body is to whoever sends it on.
    enum Kept: Sendable {
        /// The whole, which can be sent again.
        case whole(ByteBuffer)
        /// The beginning; the rest comes from the client as it is sent.
        case beginning(ByteBuffer)
    }

    /// Reads up to `limit` bytes, and a part of the client's sending beyond where there are more.
    func keep(upTo limit: Int, declared: Int64?) async throws -> Kept {
        if let declared, declared > limit { return .beginning(ByteBuffer()) }
        var kept = ByteBuffer()
        let iterator = makeAsyncIterator()
        while let part = try await iterator.next() {
            kept.writeImmutableBuffer(part)
            if kept.readableBytes > limit { return .beginning(kept) }
        }
        return .whole(kept)
    }
}

/// A body whose beginning was read already.
struct ContinuedBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let beginning: ByteBuffer
    let rest: RequestBody

    struct AsyncIterator: AsyncIteratorProtocol {
        var beginning: ByteBuffer?
        let rest: RequestBody.AsyncIterator

        mutating func next() async throws -> ByteBuffer? {
            if let beginning, beginning.readableBytes > 0 {
                self.beginning = nil
                return beginning
            }
            return try await rest.next()
        }
    }

    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(beginning: beginning, rest: rest.makeAsyncIterator())
    }
}
