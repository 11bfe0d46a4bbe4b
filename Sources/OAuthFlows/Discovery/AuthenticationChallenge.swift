internal import StrictJSON
package import VaultAPI

/// One challenge of a `WWW-Authenticate` field (RFC 9110 §11.3).
package struct AuthenticationChallenge: Sendable, Hashable {
    /// In lower case.
    package let scheme: String
    /// What stands in the place of parameters, for schemes such as Negotiate.
    package let token68: String?
    /// In order, the names in lower case.
    package let parameters: [Parameter]

    package struct Parameter: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    /// Reads every field of that name that an answer has; several fields are one list (RFC 9110 §5.3).
    ///
    /// - Throws: `.unsafe` if one is no list of challenges: what a looser reader would find in it, another would not.
    package static func parse(_ fields: [String]) throws(VaultError) -> [AuthenticationChallenge] {
        var challenges: [AuthenticationChallenge] = []
        for field in fields {
            do throws(ChallengeFault) {
                var reader = try ChallengeReader(field)
                challenges += try reader.challenges()
            } catch {
                throw VaultError(.unsafe, "the WWW-Authenticate field cannot be read: \(error.reason)")
            }
        }
        return challenges
    }

    /// The parameter of that name, quotes and escapes taken off.
    ///
    /// - Throws: `.unsafe` where it stands twice. RFC 9110 §11.2: a parameter's name "MUST only occur once per
    ///   challenge".
    package func value(of name: String) throws(VaultError) -> String? {
        let found = parameters.filter { $0.name == name }
        guard found.count < 2 else {
            throw VaultError(.unsafe, "the WWW-Authenticate field has the parameter \(name) twice in one challenge")
        }
        return found.first?.value
    }
}

/// What a resource server says to a request whose token does not do (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).
package struct ResourceChallenge: Sendable, Hashable {
    /// A code such as `invalid_token` or `insufficient_scope`.
    package let error: String?
    /// One element for each scope token; `nil` where the challenge names none.
    package let scopes: [String]?
    /// RFC 9728 §5.1: where the metadata of the resource is.
    package let resourceMetadata: String?

    /// The challenge of an answer's `WWW-Authenticate` fields; `nil` where none of them is for Bearer or DPoP tokens.
    ///
    /// Where an answer has several, they must agree: whoever obeyed the first would let the order decide.
    ///
    /// - Throws: `.unsafe` if the fields cannot be read or contradict themselves.
    package init?(fields: [String]) throws(VaultError) {
        let challenges = try AuthenticationChallenge.parse(fields).filter {
            $0.scheme == "bearer" || $0.scheme == "dpop"
        }
        guard !challenges.isEmpty else { return nil }
        func text(_ name: String) throws(VaultError) -> String? {
            var found: String?
            for challenge in challenges {
                guard let value = try challenge.value(of: name) else { continue }
                guard found == nil || found == value else {
                    throw VaultError(.unsafe, "two challenges of one WWW-Authenticate differ in \(name)")
                }
                found = value
            }
            return found
        }
        error = try text("error")
        scopes = try text("scope").map { (text) throws(VaultError) in
            let scopes = text.split(separator: " ").map(String.init)
            // RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
            let isSound = scopes.allSatisfy { scope in
                scope.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C }
            }
            guard isSound else {
                throw VaultError(.unsafe, "the scope in WWW-Authenticate holds what no scope may: \(printable(text))")
            }
            return scopes
        }
        resourceMetadata = try text("resource_metadata")
    }
}

/// Ends the sentence "… cannot be read: ".
private struct ChallengeFault: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// The grammar of RFC 9110 §11.6.1: `#challenge`, where a comma separates challenges and parameters alike.
private struct ChallengeReader {
    /// NIO's parser lets a whole head have 80 KiB; no challenge needs more than this.
    private static let longest = 16 << 10
    private static let mostParameters = 64

    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) throws(ChallengeFault) {
        bytes = Array(text.utf8)
        guard bytes.count <= Self.longest else { throw ChallengeFault("it is longer than \(Self.longest) bytes") }
    }

    mutating func challenges() throws(ChallengeFault) -> [AuthenticationChallenge] {
        var challenges: [AuthenticationChallenge] = []
        skipSeparators()
        while position < bytes.count {
            challenges.append(try challenge())
            skipSeparators()
        }
        return challenges
    }

    /// `auth-scheme [ 1*SP ( token68 / #auth-param ) ]`.
    private mutating func challenge() throws(ChallengeFault) -> AuthenticationChallenge {
        let scheme = try token("a scheme").lowercased()
        guard position < bytes.count, isSpace(bytes[position]) else {
            guard position == bytes.count || bytes[position] == UInt8(ascii: ",") else {
                throw ChallengeFault("a scheme is followed by neither a space nor a comma")
            }
            return AuthenticationChallenge(scheme: scheme, token68: nil, parameters: [])
        }
        skipSpaces()
        if let token68 = token68() {
            return AuthenticationChallenge(scheme: scheme, token68: token68, parameters: [])
        }
        guard position == bytes.count || bytes[position] == UInt8(ascii: ",") || isParameterNext() else {
            throw ChallengeFault("the scheme \(scheme) is followed by neither a parameter nor a comma")
        }
        var parameters: [AuthenticationChallenge.Parameter] = []
        while let name = parameterName() {
            parameters.append(.init(name: name, value: try value()))
            guard parameters.count <= Self.mostParameters else {
                throw ChallengeFault("a challenge has more than \(Self.mostParameters) parameters")
            }
            let end = position
            skipSpaces()
            guard position < bytes.count else { break }
            guard bytes[position] == UInt8(ascii: ",") else {
                throw ChallengeFault("no comma follows the parameter \(name)")
            }
            skipSeparators()
            // What follows may be a parameter or another scheme; only an equals sign behind the word tells.
            if !isParameterNext() {
                position = end
                break
            }
        }
        return AuthenticationChallenge(scheme: scheme, token68: nil, parameters: parameters)
    }

    // MARK: - Parts

    private mutating func token(_ what: String) throws(ChallengeFault) -> String {
        let start = position
        while position < bytes.count, isTokenByte(bytes[position]) { position += 1 }
        guard position > start else { throw ChallengeFault("\(what) was expected at byte \(start)") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=", and nothing else in the challenge.
    private mutating func token68() -> String? {
        var end = position
        while end < bytes.count, isToken68Byte(bytes[end]) { end += 1 }
        guard end > position else { return nil }
        while end < bytes.count, bytes[end] == UInt8(ascii: "=") { end += 1 }
        var next = end
        while next < bytes.count, isSpace(bytes[next]) { next += 1 }
        guard next == bytes.count || bytes[next] == UInt8(ascii: ",") else { return nil }
        defer { position = end }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private func isParameterNext() -> Bool {
        var copy = self
        return copy.parameterName() != nil
    }

    /// token BWS "=" BWS, all of it taken; or nothing, and the position stays.
    private mutating func parameterName() -> String? {
        let start = position
        while position < bytes.count, isTokenByte(bytes[position]) { position += 1 }
        let name = String(decoding: bytes[start..<position], as: UTF8.self).lowercased()
        skipSpaces()
        guard !name.isEmpty, position < bytes.count, bytes[position] == UInt8(ascii: "=") else {
            position = start
            return nil
        }
        position += 1
        skipSpaces()
        return name
    }

    /// `( token / quoted-string )`.
    private mutating func value() throws(ChallengeFault) -> String {
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") { return try quotedString() }
        let start = position
        // More than a token: servers are seen that leave the quotes off `resource_metadata=https://…`. It has one reading,
        // up to the next comma or space.
        while position < bytes.count, isUnquotedByte(bytes[position]) { position += 1 }
        guard position > start else { throw ChallengeFault("a parameter has no value") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    /// `DQUOTE *( qdtext / quoted-pair ) DQUOTE` (RFC 9110 §5.6.4).
    private mutating func quotedString() throws(ChallengeFault) -> String {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count {
            var byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard let text = String(validating: text, as: UTF8.self) else {
                    throw ChallengeFault("a quoted value is no UTF-8")
                }
                return text
            }
            if byte == UInt8(ascii: "\\") {
                guard position < bytes.count else { break }
                byte = bytes[position]
                position += 1
            }
            guard byte >= 0x20 && byte != 0x7F || byte == 9 else {
                throw ChallengeFault("a quoted value holds a control character")
            }
            text.append(byte)
        }
        throw ChallengeFault("a quoted value is not closed")
    }

    // MARK: - Characters

    private mutating func skipSpaces() { while position < bytes.count, isSpace(bytes[position]) { position += 1 } }

    /// RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list elements".
    private mutating func skipSeparators() {
        while position < bytes.count, isSpace(bytes[position]) || bytes[position] == UInt8(ascii: ",") { position += 1 }
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 }

    /// RFC 9110 §5.6.2, `tchar`.
    private func isTokenByte(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte) }

    private func isToken68Byte(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || "-._~+/".utf8.contains(byte) }

    private func isUnquotedByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: ",") && byte != UInt8(ascii: "\"")
    }

    private func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
