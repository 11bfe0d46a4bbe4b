internal import NIOHTTP1

/// Which header fields pass, in either direction.
enum FieldRules {
    /// Fields about one connection, not about a message (RFC 9110 §7.6.1); the length is said anew.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "http2-settings",
    ]

    /// What says who the client is, and how it came here.
    private static let ofTheClient: Set<String> = [
        "authorization", "cookie", "cookie2", "dpop", "host", "origin", "referer", "expect", "forwarded",
    ]

    /// By which some frameworks take a request for one to another place, or for another one.
    private static let rewriting: Set<String> = [
        "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override",
        "destination",
    ]

    /// The fields of a request that the resource gets.
    static func sent(_ fields: HTTPHeaders) -> HTTPHeaders {
        passing(fields) { name, _ in
            !ofTheClient.contains(name) && !rewriting.contains(name) && !name.hasPrefix("x-forwarded-")
        }
    }

    /// The fields of an answer that the client gets.
    ///
    /// - Parameters:
    ///   - tokens: What was sent to the resource, and must come back in no field.
    ///   - location: What becomes of a `Location`.
    static func answered(
        _ fields: HTTPHeaders,
        without tokens: [String],
        location: (String) -> String
    ) -> HTTPHeaders {
        // A cookie would be the resource's session with this vault's user; the nonce is for proofs that are made here.
        let ours: Set<String> = ["set-cookie", "set-cookie2", "dpop-nonce"]
        let passed = passing(fields) { name, value in
            !ours.contains(name) && !tokens.contains { shows(value, $0) || shows(name, $0.lowercased()) }
        }
        return HTTPHeaders(passed.map { ($0.name, $0.name.lowercased() == "location" ? location($0.value) : $0.value) })
    }

    /// Whether a token stands in a text, escaped for a URL or not: as bytes, since to a `String` a combining mark behind it
    /// makes its last letter another.
    private static func shows(_ text: String, _ token: String) -> Bool {
        let (text, token) = (Array(text.utf8), Array(token.utf8))
        return [text, RequestTarget.decodedOnce(text)].contains { $0.firstRange(of: token) != nil }
    }

    private static func passing(_ fields: HTTPHeaders, _ isWanted: (String, String) -> Bool) -> HTTPHeaders {
        // RFC 9110 §7.6.1: an intermediary "MUST … remove any header or trailer field(s) from the message with the same
        // name as the connection-option".
        let named = Set(fields[canonicalForm: "Connection"].map { $0.lowercased() })
        return HTTPHeaders(
            fields.filter { field in
                let name = field.name.lowercased()
                return !hopByHop.contains(name) && !name.hasPrefix("proxy-") && !named.contains(name)
                    && isWanted(name, field.value)
            }
        )
    }
}

/// A `Location` as the client of a proxy can use it.
///
/// - Parameters:
///   - origin: The resource's.
///   - host: By which name the client calls the proxy; empty where it has none.
func relocated(_ location: String, from origin: String, to host: String) -> String {
    let own = [origin, origin + (origin.hasPrefix("https:") ? ":443" : ":80")]
    for prefix in own where location.lowercased().hasPrefix(prefix) {
        let rest = location.dropFirst(prefix.count)
        guard let next = rest.first else { return host.isEmpty ? "/" : "http://\(host)/" }
        guard next == "/" || next == "?" || next == "#" else { continue }
        // Two slashes would be another host to whoever has no name to put before them.
        if host.isEmpty, rest.hasPrefix("//") { return location }
        // RFC 9110 §10.2.2: it may be relative, to whatever the client asked.
        return host.isEmpty ? String(rest) : "http://\(host)\(rest)"
    }
    return location
}
