internal import NIOHTTP1
internal import OAuthFlows
internal import VaultCrypto

/// What the proxy asks of a request before anything of it goes anywhere.
struct RequestRules: Sendable {
    /// The `Host` fields that name this proxy; `nil` for a Unix socket, which no name leads to.
    let hosts: Set<String>?
    /// What a client must show; `nil` where the socket's owner is what counts.
    let secret: String?
    let target: RequestTarget

    /// A request that may go on.
    struct Accepted: Sendable, Equatable {
        /// Where it goes.
        let url: String
        /// By which name the client calls this proxy; empty where that is no name.
        let host: String
        /// Whether the client waits for leave to send the body.
        let expectsContinue: Bool
    }

    /// Judges the head of a request, and answers the first thing that is wrong with it.
    ///
    /// The order is that of what a stranger may learn: without the secret, nothing about where requests go.
    func accept(_ head: HTTPRequestHead) throws(Refusal) -> Accepted {
        let host = try checkHost(head.headers["Host"])
        try checkOrigin(head.headers["Origin"])
        try checkSecret(head.headers["Authorization"])
        try checkForm(head)
        let url = try target.url(of: head.uri)
        let expectations = head.headers[canonicalForm: "Expect"].map { $0.lowercased() }
        // RFC 9110 §10.1.1: "MAY respond with a 417 (Expectation Failed) status code" to anything else.
        guard expectations.allSatisfy({ $0 == "100-continue" }) else {
            throw Refusal(.expectationFailed, "it expects what nobody here can do")
        }
        return Accepted(url: url, host: host, expectsContinue: !expectations.isEmpty && head.version == .http1_1)
    }

    /// DNS rebinding: a page on evil.example whose name points here sends its own name.
    private func checkHost(_ values: [String]) throws(Refusal) -> String {
        // RFC 9112 §3.2: a server "MUST respond with a 400 (Bad Request)" where there is none, or more than one.
        guard values.count == 1, let host = values.first?.lowercased() else {
            throw Refusal(.badRequest, "a request has one Host field")
        }
        guard let hosts else { return "" }
        guard hosts.contains(host) else {
            throw Refusal(.misdirectedRequest, "its Host is not this proxy's")
        }
        return host
    }

    /// A page that knows the address is told nothing, whatever it was told of the secret.
    private func checkOrigin(_ values: [String]) throws(Refusal) {
        guard let hosts else {
            guard values.isEmpty else { throw Refusal(.forbidden, "no web page may ask here") }
            return
        }
        guard values.allSatisfy({ value in hosts.contains { value.lowercased() == "http://\($0)" } }) else {
            throw Refusal(.forbidden, "its Origin is not this proxy's: no web page may ask here")
        }
    }

    private func checkSecret(_ values: [String]) throws(Refusal) {
        guard let secret else { return }
        let refusal = Refusal(
            .unauthorized,
            "it does not carry the secret that this proxy printed: Authorization: Bearer …",
            // RFC 6750 §3: the field "MUST" be there.
            fields: [("WWW-Authenticate", #"Bearer realm="vault proxy""#)]
        )
        guard values.count == 1, let value = values.first else { throw refusal }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer",
            constantTimeEqual(Array(parts[1].utf8), Array(secret.utf8))
        else { throw refusal }
    }

    private func checkForm(_ head: HTTPRequestHead) throws(Refusal) {
        guard head.version == .http1_1 || head.version == .http1_0 else {
            throw Refusal(.httpVersionNotSupported, "it is not HTTP/1.1")
        }
        // TRACE would show the token to whoever reads the answer; CONNECT is for proxies of another kind.
        guard head.method != .CONNECT, head.method != .TRACE else {
            throw Refusal(.methodNotAllowed, "\(head.method.rawValue) goes to no resource")
        }
        guard !head.headers.contains(name: "Upgrade") else {
            throw Refusal(.badRequest, "another protocol cannot be watched for tokens: no Upgrade")
        }
        // RFC 9112 §6.1: both "ought to be handled as an error", since two readers would find two requests.
        let codings = head.headers["Transfer-Encoding"]
        guard codings.isEmpty || head.headers["Content-Length"].isEmpty else {
            throw Refusal(.badRequest, "it has two lengths")
        }
        guard codings.isEmpty || codings.count == 1 && codings[0].lowercased() == "chunked" else {
            throw Refusal(.notImplemented, "its Transfer-Encoding is not chunked")
        }
        // RFC 9112 §5.2: a line folded is refused, and so is whatever else a second reader might take for two.
        let isClean = head.headers.allSatisfy { field in
            field.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 9 }
        }
        guard isClean else { throw Refusal(.badRequest, "a field holds a control character") }
    }
}
