internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// The members of an answer, which is JSON, or a form where a server sends one.
struct AnswerMembers {
    private enum Source {
        case json(JSONValue)
        case form([String: SharedSecret])
    }

    private let source: Source

    /// `nil` where it is neither.
    init?(_ response: HTTPResponse, of endpoint: EndpointURL) {
        let subject = "the answer of \(endpoint.withoutQuery)"
        if let document = try? JSONDocument(response.body, subject: subject) {
            guard document.isAnswer else { return nil }
            source = .json(document.root)
        } else if let members = FormReader.members(of: response.body) {
            source = .form(members)
        } else {
            return nil
        }
    }

    var isForm: Bool {
        if case .form = source { true } else { false }
    }

    /// The error code, where there is a well-formed one.
    ///
    /// RFC 6749 §5.2: "Values for the "error" parameter MUST NOT include characters outside the set
    /// %x20-21 / %x23-5B / %x5D-7E."
    var errorCode: String? {
        guard let text = text("error"), (1...128).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 <= 0x7E && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") })
        else { return nil }
        return text
    }

    func has(_ name: String) -> Bool {
        switch source {
        case .json(let root): root[name].map { $0.kind != .null } ?? false
        case .form(let members): members[name] != nil
        }
    }

    /// A string that is no secret, unchecked; `nil` where it is none, or longer than any such text.
    func text(_ name: String) -> String? {
        let longest = 4096
        switch source {
        case .json(let root):
            guard let value = root[name], value.kind == .string, value.range.count <= longest else { return nil }
            return value.document.string(value.range)
        case .form(let members):
            guard let value = members[name], value.count <= longest else { return nil }
            return value.withBytes { String(decoding: $0, as: UTF8.self) }
        }
    }

    /// A token: visible ASCII and spaces (RFC 6749 appendix A.12, A.17); `nil` where it is absent, null or empty.
    ///
    /// - Throws: If it is something else.
    func token(_ name: String) throws(VaultError) -> SharedSecret? {
        switch source {
        case .json(let root):
            guard let secret = try root.token(name, allowingSpaces: true)?.secret() else { return nil }
            return SharedSecret(secret)
        case .form(let members):
            guard let value = members[name], value.count > 0 else { return nil }
            let isToken = value.withBytes { bytes in bytes.allSatisfy { $0 >= 0x20 && $0 <= 0x7E } }
            guard isToken else { throw VaultError(.damaged, "\(name) holds a byte that no token may hold") }
            return value
        }
    }

    /// The text of a number, or of a string that holds one.
    func number(_ name: String) -> String? {
        if case .json(let root) = source, let value = root[name], value.kind == .number { return value.numberText }
        guard let text = text(name)?.trimmingSpaces, text.utf8.count <= 64 else { return nil }
        // What JSON takes for a number, so that one reader reads both.
        guard let bytes = try? SecretBytes(Array(text.utf8)),
            let document = try? JSONDocument(SharedSecret(bytes), subject: name), document.root.kind == .number
        else { return nil }
        return text
    }

    /// The words of a string, or the strings of an array; empty where it is anything else.
    func words(_ name: String) -> [String] {
        switch source {
        case .json(let root): return (try? root.words(name)) ?? []
        case .form:
            guard let text = text(name), text.unicodeScalars.allSatisfy({ !isUnprintable($0) }) else { return [] }
            // GitHub separates by commas.
            return text.split { $0 == " " || $0 == "," }.map(String.init)
        }
    }
}

/// Reads `application/x-www-form-urlencoded`, which GitHub and old servers answer with.
enum FormReader {
    private static let maximumCount = 64

    /// The members, each in memory of its own; `nil` if it is no form, or one with a member twice.
    ///
    /// Anything is a form of a kind, so it must name what an answer names, and hold only what a form may hold: a web
    /// page does not.
    static func members(of body: SharedSecret) -> [String: SharedSecret]? {
        body.withBytes { bytes -> [String: SharedSecret]? in
            guard bytes.count > 0, bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "<") }) else {
                return nil
            }
            let pairs = bytes.split(separator: UInt8(ascii: "&"))
            guard pairs.count <= maximumCount else { return nil }
            var members: [String: SharedSecret] = [:]
            for pair in pairs {
                guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { return nil }
                let name = formDecoded(Substring(decoding: pair[..<equals], as: UTF8.self))
                guard let value = decoded(UnsafeRawBufferPointer(rebasing: pair[pair.index(after: equals)...])),
                    members.updateValue(value, forKey: String(decoding: name, as: UTF8.self)) == nil
                else { return nil }
            }
            return members["access_token"] != nil || members["error"] != nil ? members : nil
        }
    }

    private static func decoded(_ bytes: UnsafeRawBufferPointer) -> SharedSecret? {
        guard var buffer = try? SecretBuffer(capacity: bytes.count) else { return nil }
        do throws(CryptoError) {
            try formDecode(bytes) { (byte) throws(CryptoError) in try buffer.append(byte) }
            return SharedSecret(try buffer.finish())
        } catch {
            return nil
        }
    }
}

extension HTTPResponse {
    /// The body, where it is what a server may answer with in JSON.
    func json(_ subject: String) -> JSONDocument? {
        (try? JSONDocument(body, subject: subject)).flatMap { $0.isAnswer ? $0 : nil }
    }
}

extension JSONDocument {
    /// RFC 8259 §9 lets a parser limit the depth; no answer of an OAuth server comes near.
    static let maximumAnswerDepth = 32

    /// Whether it is an object, and no deeper than answers are.
    var isAnswer: Bool { root.kind == .object && depth <= Self.maximumAnswerDepth }

    /// How many values are nested within each other.
    var depth: Int {
        var depths: [Int] = []
        depths.reserveCapacity(tree.nodes.count)
        // A parent stands before its children.
        for node in tree.nodes { depths.append(node.parent < 0 ? 1 : depths[Int(node.parent)] + 1) }
        return depths.max() ?? 0
    }
}
