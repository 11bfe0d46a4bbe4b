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

    /// The fields of a request that the resource gets.
    static func sent(_ fields: HTTPHeaders) -> HTTPHeaders {
        passing(fields) { name, _ in
            !ofTheClient.contains(name) && !name.hasPrefix("x-forwarded-")
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
            !ours.contains(name) && !tokens.contains { value.contains($0) || name.contains($0.lowercased()) }
        }
        return HTTPHeaders(passed.map { ($0.name, $0.name.lowercased() == "location" ? location($0.value) : $0.value) })
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
        // RFC 9110 §10.2.2: it may be relative, to whatever the client asked.
        return host.isEmpty ? String(rest) : "http://\(host)\(rest)"
    }
    return location
}
