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
        let url = origin + text
        do { _ = try EndpointURL(String(url.prefix { $0 != "?" }), as: "the URL of the request") } catch {
            throw Refusal(.badRequest, error.message)
        }
        return url
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
                let name = segment.prefix { $0 != UInt8(ascii: ";") }
                return name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8)
            }
            guard !hasDots else { return true }
            let decoded = decodedOnce(path)
            guard decoded.count < path.count else { return false }
            path = decoded
        }
    }

    private static func decodedOnce(_ path: [UInt8]) -> [UInt8] {
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
