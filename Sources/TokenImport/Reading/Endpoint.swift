internal import StrictJSON

/// Which URLs a grant may carry.
enum Endpoint {
    /// Whether it is `https`, or `http` on exactly `localhost`, 127/8 or `[::1]`, with a host, without user info,
    /// fragment or anything outside visible ASCII.
    static func isAcceptable(_ url: String) -> Bool {
        guard let host = host(of: url) else { return false }
        if url.hasPrefix("https://") { return true }
        return host == "localhost" || host == "[::1]" || isLoopback(host)
    }

    /// The host of an `http` or `https` URL without its port, or `nil` where the URL is refused for its form.
    static func host(of url: String) -> String? {
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }), !url.contains("#"),
            let scheme = ["https://", "http://"].first(where: { url.hasPrefix($0) })
        else { return nil }
        let authority = url.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { return nil }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            return isPort(authority[authority.index(after: end)...]) ? String(authority[...end]) : nil
        }
        let host = authority.prefix { $0 != ":" }
        let valid = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return valid && !host.isEmpty && isPort(authority[host.endIndex...]) ? String(host) : nil
    }

    /// Four decimal numbers up to 255 without leading zeros, the first 127: no other spelling of an address counts.
    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { part in UInt8(part).map { String($0) == part } ?? false }
    }

    /// Nothing, or a colon and a port.
    private static func isPort(_ text: Substring) -> Bool {
        if text.isEmpty { return true }
        return text.hasPrefix(":") && UInt16(text.dropFirst()) != nil
    }
}

extension JWTClaims {
    /// RFC 7519 §4.1.1, where it is a URL that a grant can have come from.
    var issuer: String? { text("iss").flatMap { Endpoint.isAcceptable($0) ? $0 : nil } }
}
