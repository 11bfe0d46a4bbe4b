internal import StrictJSON
internal import VaultAPI

/// Values for the `{…}` in a preset's texts, checked for what they would do to a URL.
enum ProviderParameters {
    /// What stands in braces in a text.
    static func names(in text: String) -> [String] {
        text.split(separator: "{", omittingEmptySubsequences: false).dropFirst().map { part in
            String(part.prefix { $0 != "}" })
        }
    }

    /// The text with each `{name}` replaced.
    static func fill(_ text: String, with values: [String: String]) -> String {
        var filled = text
        for (name, value) in values { filled = filled.replacing("{\(name)}", with: value) }
        return filled
    }

    /// A value in the form in which it goes into a URL.
    ///
    /// - Throws: `.usage`, naming the parameter; `.unsafe` where the value would lead elsewhere than it seems.
    static func checked(_ value: String, for parameter: ProviderPreset.Parameter) throws(VaultError) -> String {
        let subject = "the parameter \(parameter.name)"
        guard value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !value.isEmpty, value.utf8.count <= 2048 else {
            throw VaultError(.usage, "\(subject) is empty, too long, or holds a space or a letter that no URL has")
        }
        switch parameter.kind {
        case .word:
            guard value.utf8.allSatisfy(isWordByte), !value.allSatisfy({ $0 == "." }) else {
                throw VaultError(.unsafe, "\(subject) may hold letters, digits, . - and _ only: \(printable(value))")
            }
            return value
        case .host:
            let origin = value.contains("://") ? value : "https://\(value)"
            let (scheme, authority, rest) = try split(origin, subject)
            guard rest.isEmpty || rest == "/" else {
                throw VaultError(
                    .unsafe,
                    "\(subject) has something behind its host, expected https://HOST: \(printable(value))"
                )
            }
            return "\(scheme)://\(try host(authority, scheme, subject))"
        case .url:
            try requirePlain(value, subject)
            // An issuer is compared byte for byte, so nothing of it is rewritten.
            return value
        }
    }

    /// Refuses a URL that is not https, or http to this machine, and one that leads elsewhere than it seems.
    ///
    /// - Parameter marks: Which of `?` and `#` it may hold.
    static func requirePlain(_ url: String, _ subject: String, allowing marks: String = "") throws(VaultError) {
        let (scheme, authority, rest) = try split(url, subject)
        let path = rest.prefix { !"?#".contains($0) }
        let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        guard !rest.contains(where: { "?#\\".contains($0) && !marks.contains($0) }), !path.contains("%2e"),
            !path.contains("%2E"), !segments.contains(where: { $0 == "." || $0 == ".." })
        else { throw VaultError(.unsafe, "\(subject) is no plain URL: \(printable(url))") }
        _ = try host(authority, scheme, subject)
    }

    private static func split(_ url: String, _ subject: String) throws(VaultError) -> (String, String, String) {
        for scheme in ["https", "http"] where url.hasPrefix("\(scheme)://") {
            let behind = url.dropFirst(scheme.count + 3)
            let authority = behind.prefix { !"/?#\\".contains($0) }
            return (scheme, String(authority), String(behind.dropFirst(authority.count)))
        }
        throw VaultError(.unsafe, "\(subject) is not an https URL: \(printable(url))")
    }

    /// A host with its port where there is one; plain http only on this machine.
    private static func host(_ authority: String, _ scheme: String, _ subject: String) throws(VaultError) -> String {
        guard !authority.contains("@") else {
            throw VaultError(.unsafe, "\(subject) holds user info before its host, which hides where it leads")
        }
        var name = Substring(authority)
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw VaultError(.unsafe, "\(subject) has no host") }
            name = authority[...end]
        } else if let colon = authority.firstIndex(of: ":") {
            name = authority[..<colon]
        }
        let port = authority.dropFirst(name.count)
        let isPort =
            port.isEmpty || (port.first == ":" && Int(port.dropFirst()).map { (1...65535).contains($0) } ?? false)
        guard isPort, !port.contains("+") else { throw VaultError(.unsafe, "\(subject) has no sound port") }
        let inner = name.hasPrefix("[") ? name.dropFirst().dropLast() : name
        let isAddress = name.hasPrefix("[")
        let isSound = inner.utf8.allSatisfy { byte in
            isAddress ? byte == UInt8(ascii: ":") || isWordByte(byte) : isWordByte(byte)
        }
        guard isSound, !inner.isEmpty, !inner.hasPrefix("."), !inner.hasSuffix("."), !inner.contains("..") else {
            throw VaultError(.unsafe, "\(subject) has no sound host: \(printable(authority))")
        }
        let lower = name.lowercased()
        let isLocal = lower == "localhost" || lower == "[::1]" || isLoopback(lower)
        guard scheme == "https" || isLocal else {
            throw VaultError(.unsafe, "\(subject) is plain http to another machine: \(printable(authority))")
        }
        return lower + port
    }

    private static func isLoopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0).map { "\($0)" } == String($0) }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
