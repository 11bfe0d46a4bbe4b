package import VaultAPI

/// A URL on its way to a browser: taken apart and written out again, so that what arrives there is a URL.
///
/// Servers choose most of its text, and handlers of URLs have passed such text to shells (CVE-2025-6514 in mcp-remote,
/// CVE-2008-0386 in xdg-utils).
package struct BrowserURL: Sendable, Hashable {
    /// Begins with `http://` or `https://`, and holds visible ASCII alone.
    package let text: String

    /// Checks a URL.
    ///
    /// - Throws: `.unsafe`, saying why; the URL is not repeated, since it may hold what a terminal acts on.
    package init(_ text: String, as subject: String = "the URL for the browser") throws(VaultError) {
        func refusal(_ reason: String) -> VaultError {
            VaultError(.unsafe, "\(subject) \(reason)", hint: "no browser was opened; do not trust this server")
        }
        let bytes = Array(text.utf8)
        guard bytes.count <= 16 * 1024 else { throw refusal("is longer than 16 KiB") }
        guard bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw refusal("holds a space, a control character or one outside ASCII")
        }
        let colon = bytes.firstIndex(of: UInt8(ascii: ":")) ?? 0
        let scheme = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
        guard scheme == "https" || scheme == "http" else { throw refusal("is not of https or http") }
        var rest = bytes[(colon + 1)...]
        guard rest.starts(with: Array("//".utf8)) else { throw refusal("names no host") }
        rest = rest.dropFirst(2)
        let end = rest.firstIndex { [UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#")].contains($0) }
        let authority = String(decoding: rest[..<(end ?? rest.endIndex)], as: UTF8.self)
        guard Self.isAuthority(authority) else { throw refusal("names no plain host and port") }

        var written = "\(scheme)://\(authority.lowercased())"
        for byte in rest[(end ?? rest.endIndex)...] {
            guard let piece = Self.piece(byte) else { throw refusal("holds a character that no URL may hold") }
            written += piece
        }
        self.text = written
    }

    /// RFC 3986 §3.2 without user information: what stands before an `@` is read as the host by people.
    private static func isAuthority(_ text: String) -> Bool {
        var host = Substring(text)
        if let bracket = text.lastIndex(of: "]") {
            guard text.hasPrefix("["),
                text[..<bracket].dropFirst().allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." })
            else { return false }
            host = text[text.index(after: bracket)...]
            guard host.isEmpty || host.hasPrefix(":") else { return false }
            return isPort(host.dropFirst())
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[colon...].dropFirst()) else { return false }
            host = host[..<colon]
        }
        guard let first = host.first, first != "-" else { return false }
        return host.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.isEmpty || text.utf8.allSatisfy { (48...57).contains($0) } && UInt16(text) != nil
    }

    /// A byte of path, query or fragment (RFC 3986 §2), or `nil` where it may not stand there.
    ///
    /// What a shell acts on and a URL may well hold is escaped: to a server both are the same.
    private static func piece(_ byte: UInt8) -> String? {
        switch byte {
        case _ where isAlphanumeric(byte): String(UnicodeScalar(byte))
        case UInt8(ascii: "$"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ";"), UInt8(ascii: "'"),
            UInt8(ascii: "*"), UInt8(ascii: "!"):
            "%" + String(byte, radix: 16, uppercase: true)
        case _ where Array("-._~:/?#[]@&+,=%".utf8).contains(byte): String(UnicodeScalar(byte))
        default: nil
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
}
