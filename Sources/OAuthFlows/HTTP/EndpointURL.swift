internal import NIOCore
internal import StrictJSON
package import VaultAPI

/// A URL that a credential may be sent to, or a browser be pointed at.
///
/// "https", or "http" on exactly `localhost`, 127/8 or `[::1]`; no user info, no fragment. It is taken apart here and not
/// by Foundation's `URL`, which repairs, decodes and normalises: two programs that disagree on a URL's host are how a
/// token reaches the wrong one. What this reads, it reads in one way, and what has another reading it refuses.
package struct EndpointURL: Hashable, Sendable, CustomStringConvertible {
    /// Byte for byte as it was given.
    package let text: String
    /// In lower case.
    package let scheme: String
    /// Lower case, without brackets.
    package let host: String
    package let port: Int
    /// With its leading slash; empty where there is none.
    package let path: String
    package let query: String?
    /// From how far away its host must be reachable, whatever name it has; `machine` asks nothing.
    ///
    /// A name that resolves to an address nearer than that is never connected to.
    package let leastReach: Reach

    /// Longer than any endpoint, and as long as the facts that `StrictJSON` reads.
    private static let longest = 4096

    /// Checks and takes apart.
    ///
    /// - Parameters:
    ///   - subject: What the URL is, for the error: "the token endpoint".
    ///   - leastReach: For a URL that somebody else wrote, how far away whoever led there is. Otherwise a server could
    ///     have this machine talk to services that only it reaches.
    /// - Throws: `.unsafe`, with the reason.
    package init(_ text: String, as subject: String, leastReach: Reach = .machine) throws(VaultError) {
        do throws(URLFault) {
            let parts = try URLParts(text, longest: Self.longest)
            self.text = text
            self.leastReach = leastReach
            (scheme, host, port) = (parts.scheme, parts.host, parts.port)
            (path, query) = (parts.path, parts.query)
        } catch {
            throw VaultError(.unsafe, "\(subject) \(shownURL(text)) is refused: \(error.reason)")
        }
        guard reach >= leastReach else {
            throw VaultError(
                .unsafe,
                "\(subject) \(shownURL(text)) is refused: it is \(reach.place), and what leads there is not"
            )
        }
    }

    package var description: String { text }

    /// Whether it is on this machine: `localhost`, 127/8 or `[::1]`.
    package var isLoopback: Bool { isLoopbackHost(host) }

    /// RFC 6454 §6.2: scheme, host and port, the port left out where it is the scheme's own.
    package var origin: String { "\(scheme)://\(authority)" }

    /// What stands in a `Host` field: the port left out where it is the scheme's own.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (scheme == "https" ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// The text before the query, for messages and for the `htu` of a DPoP proof.
    package var withoutQuery: String { String(text.prefix { $0 != "?" }) }

    /// The text with `query` added to the query it has (RFC 6749 §3.1), form-encoded.
    ///
    /// An authorization endpoint may carry a query of its own, which must be retained. If that sets what the client sets,
    /// a server that reads the first of two would obey whoever wrote the metadata.
    ///
    /// - Throws: `.unsafe` if the query it has already carries one of these parameters.
    package func adding(query parameters: [(String, String)]) throws(VaultError) -> String {
        let own = Set((query ?? "").split(separator: "&").map { formDecoded($0.prefix { $0 != "=" }) })
        for (name, _) in parameters where own.contains(Array(name.utf8)) {
            throw VaultError(.unsafe, "\(withoutQuery) is refused: its query already carries “\(printable(name))”")
        }
        guard !parameters.isEmpty else { return text }
        let added = parameters.map { "\(formEncoded($0.0))=\(formEncoded($0.1))" }.joined(separator: "&")
        switch query {
        case nil: return "\(text)?\(added)"
        case "": return text + added
        case let query?: return query.hasSuffix("&") ? text + added : "\(text)&\(added)"
        }
    }
}

/// A URL as a message shows it: printable, on one line, without what may be secret, its query, fragment and user info.
package func shownURL(_ text: String) -> String {
    var shown = Substring(text)
    if let end = shown.firstIndex(where: { $0 == "?" || $0 == "#" }) { shown = shown[..<end] }
    var head = ""
    if let slashes = shown.firstRange(of: "//") {
        let rest = shown[slashes.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "\\" }
        if let at = authority.lastIndex(of: "@") {
            head = shown[..<slashes.upperBound] + "…@"
            shown = rest[rest.index(after: at)...]
        }
    }
    let whole = printable(head + shown)
    return whole.count > 200 ? "“\(whole.prefix(200))…”" : "“\(whole)”"
}

/// Whether a host, in lower case and without brackets, is this machine whatever a resolver says.
package func isLoopbackHost(_ host: String) -> Bool {
    if host == "localhost" || host == "::1" { return true }
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
}

/// Ends the sentence "… is refused: ".
private struct URLFault: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// The grammar of RFC 3986, of which an endpoint uses a part.
private struct URLParts {
    let scheme: String
    let host: String
    let port: Int
    let path: String
    let query: String?

    init(_ text: String, longest: Int) throws(URLFault) {
        try Self.checkCharacters(text, longest: longest)
        guard let colon = text.firstIndex(of: ":") else {
            throw URLFault("it has no scheme; it must begin with https://")
        }
        scheme = text[..<colon].lowercased()
        guard scheme == "https" || scheme == "http" else {
            throw URLFault("its scheme is “\(scheme.prefix(20))”, and must be https")
        }
        let rest = text[text.index(after: colon)...]
        guard rest.hasPrefix("//") else { throw URLFault("no // follows the scheme") }
        let hierarchy = rest.dropFirst(2)
        let authority = hierarchy.prefix { $0 != "/" && $0 != "?" }
        guard !authority.contains("@") else { throw URLFault("it carries a user name or password") }
        let (host, port) = try Self.hostAndPort(authority, scheme: scheme)
        guard scheme == "https" || isLoopbackHost(host) else {
            throw URLFault("http is for localhost, 127.0.0.0/8 and [::1] alone; elsewhere it must be https")
        }
        (self.host, self.port) = (host, port)
        let target = hierarchy[authority.endIndex...]
        path = String(target.prefix { $0 != "?" })
        query = target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) }
        // Foundation has no path for one whose escapes are no text, and asks for "/" instead.
        guard String(validating: percentDecoded(path[...]), as: UTF8.self) != nil else {
            throw URLFault("the escapes in its path are no UTF-8")
        }
        guard !path.contains(where: { $0 == "[" || $0 == "]" }),
            query?.contains(where: { $0 == "[" || $0 == "]" }) != true
        else { throw URLFault("a bracket stands outside the host") }
    }

    /// RFC 3986 §2: unreserved and reserved characters and escapes, less those that a shell acts upon.
    private static func checkCharacters(_ text: String, longest: Int) throws(URLFault) {
        guard !text.isEmpty else { throw URLFault("it is empty") }
        guard text.utf8.count <= longest else { throw URLFault("it is longer than \(longest) bytes") }
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                continue
            case UInt8(ascii: "#"): throw URLFault("it has a fragment")
            case UInt8(ascii: "%"):
                // An escaped control character is a control character to whoever decodes it once more.
                guard let high = bytes.popFirst().flatMap(hexadecimal), let low = bytes.popFirst().flatMap(hexadecimal)
                else { throw URLFault("no two hexadecimal digits follow a %") }
                let decoded = high << 4 | low
                guard decoded >= 0x20, decoded != 0x7F else { throw URLFault("it holds an escaped control character") }
            // `xdg-open`, which a browser may be started with, is a shell script, and has been talked into running
            // commands before (CVE-2008-0386). RFC 3986 allows these in a path; no endpoint is known that has one.
            case UInt8(ascii: "$"), UInt8(ascii: ";"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"):
                throw URLFault("it holds “\(Character(Unicode.Scalar(byte)))”, which a shell acts upon")
            default:
                guard "-._~:/?[]@!&*+,=".utf8.contains(byte) else {
                    throw URLFault("it holds a character that no URL may hold as it is (RFC 3986)")
                }
            }
        }
    }

    private static func hostAndPort(
        _ authority: Substring,
        scheme: String
    ) throws(URLFault) -> (host: String, port: Int) {
        let host: String
        var rest: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw URLFault("a bracket is not closed") }
            host = authority[authority.index(after: authority.startIndex)..<end].lowercased()
            rest = authority[authority.index(after: end)...]
            guard
                host.utf8.allSatisfy({ hexadecimal($0) != nil || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }),
                case .v6 = try? SocketAddress(ipAddress: host, port: 0)
            else { throw URLFault("what stands in its brackets is no IPv6 address") }
        } else {
            host = authority.prefix { $0 != ":" }.lowercased()
            rest = authority.dropFirst(host.count)
            try checkName(host)
        }
        guard !rest.isEmpty else { return (host, scheme == "https" ? 443 : 80) }
        guard rest.removeFirst() == ":" else { throw URLFault("its port does not follow a colon") }
        guard !rest.isEmpty, rest.count <= 5, rest.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = Int(rest),
            (1...65535).contains(port)
        else { throw URLFault("its port is not a number from 1 to 65535") }
        return (host, port)
    }

    /// A name of letters, digits and hyphens in labels (RFC 1123 §2.1), or an IPv4 address in the one form that every
    /// resolver reads alike: to some, `0x7f.1` and `2130706433` are 127.0.0.1 too.
    private static func checkName(_ host: String) throws(URLFault) {
        guard !host.isEmpty else { throw URLFault("it has no host") }
        guard host.utf8.count <= 253 else { throw URLFault("its host is longer than 253 bytes") }
        let labels = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for label in labels {
            guard (1...63).contains(label.count) else { throw URLFault("a part of its host is empty or too long") }
            guard label.allSatisfy({ isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }) else {
                throw URLFault(
                    "its host holds more than letters, digits, hyphens and dots (international names: xn--…)"
                )
            }
            guard label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else {
                throw URLFault("a part of its host begins or ends with a hyphen")
            }
        }
        guard let last = labels.last, isNumber(last) else { return }
        let parts = labels.map { part -> UInt8? in
            guard part.allSatisfy(isDigit), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            return UInt8(Substring(part))
        }
        guard parts.count == 4, !parts.contains(nil) else {
            throw URLFault("its host looks like a number, and is no IPv4 address in dotted decimal")
        }
    }

    private static func isNumber(_ label: Substring.UTF8View) -> Bool {
        if label.allSatisfy(isDigit) { return true }
        return label.starts(with: "0x".utf8) && label.dropFirst(2).allSatisfy { hexadecimal($0) != nil }
    }
}

private func isLetter(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }

private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
