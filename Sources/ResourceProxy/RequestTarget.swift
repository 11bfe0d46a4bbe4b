internal import NIOHTTP1
internal import OAuthFlows
internal import VaultAPI

/// The one place that requests may go to: a URL and what is below it.
///
/// The token is for one resource, and may be good for others on the same host too, such as another tenant's.
struct RequestTarget: Sendable {
    private let origin: String
    /// At least a slash.
    private let base: [UInt8]

    init(_ url: EndpointURL) {
        origin = url.origin
        base = Array((url.path.isEmpty ? "/" : url.path).utf8)
    }

    /// Where a request for `text` goes.
    func url(of text: String) throws(Refusal) -> String {
        // RFC 9112 §3.2.1, origin-form; the other three are for other proxies.
        guard text.utf8.first == UInt8(ascii: "/") else {
            throw Refusal(.badRequest, "its target does not begin with a slash")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") })
        else { throw Refusal(.badRequest, "its target holds a character that no URL may hold as it is") }
        let path = Array(text.utf8.prefix { $0 != UInt8(ascii: "?") })
        guard !Self.climbs(path) else {
            throw Refusal(.badRequest, "its path holds a dot segment or a backslash, plain or escaped")
        }
        guard isCovered(path) else { throw Refusal(.notFound, "nothing is there but what this proxy was started for") }
        let url = origin + Self.withSoundQuery(text)
        do { _ = try EndpointURL(String(url.prefix { $0 != "?" }), as: "the URL of the request") } catch {
            throw Refusal(.badRequest, error.message)
        }
        return url
    }

    /// The target with those characters of its query escaped that a URL may not hold as they are.
    ///
    /// Clients send `filter[x]=a|b`. Foundation escapes such a query too, and with it the escapes that were there before.
    private static func withSoundQuery(_ text: String) -> String {
        guard let mark = text.utf8.firstIndex(of: UInt8(ascii: "?")) else { return text }
        var sound = Array(text.utf8[...mark])
        var rest = text.utf8[text.utf8.index(after: mark)...]
        while let byte = rest.popFirst() {
            let isEscape =
                byte == UInt8(ascii: "%") && rest.prefix(2).count == 2 && rest.prefix(2).allSatisfy(isHexadecimal)
            let isAllowed = isHexadecimal(byte) || isLetter(byte) || "-._~!$&'()*+,;=:@/?".utf8.contains(byte)
            if isEscape || isAllowed {
                sound.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                sound += Array("%\(digits.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return String(decoding: sound, as: UTF8.self)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }

    /// By whole segments: `/mcp2` is not below `/mcp`.
    private func isCovered(_ path: [UInt8]) -> Bool {
        let slash = UInt8(ascii: "/")
        if path == base { return true }
        return path.starts(with: base) && (base.last == slash || path[base.count] == slash)
    }

    /// Whether a server that decodes the path, once or more often, could find itself elsewhere than the path says.
    static func climbs(_ path: [UInt8]) -> Bool {
        var path = path
        // Each decoding makes it shorter.
        while true {
            guard !path.contains(UInt8(ascii: "\\")) else { return true }
            let hasDots = path.split(separator: UInt8(ascii: "/")).contains { segment in
                // Some servers take parameters off a segment before they look at it: `/..;x/`.
                // Others read what they have decoded as a URL once more, or fold wide characters to plain ones.
                let name = segment.prefix { !";?#".utf8.contains($0) }
                let dots = String(decoding: name, as: UTF8.self).unicodeScalars.map { scalar in
                    "\u{FF0E}\u{FE52}\u{2024}".unicodeScalars.contains(scalar) ? "." : scalar
                }
                let plain = dots.reversed().drop { $0 == " " || $0 == "\t" }
                return plain.elementsEqual([".", "."]) || plain.elementsEqual(["."])
            }
            guard !hasDots else { return true }
            let decoded = decodedOnce(path)
            guard decoded.count < path.count else { return false }
            path = decoded
        }
    }

    static func decodedOnce(_ path: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = path[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, !digits.hasPrefix("+"), !digits.hasPrefix("-"),
                let value = UInt8(digits, radix: 16)
            {
                decoded.append(value)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return decoded
    }
}
