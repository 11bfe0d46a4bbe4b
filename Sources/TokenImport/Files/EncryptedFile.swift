internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Files that hold tokens and are encrypted already, told by their first bytes.
enum EncryptedFile {
    private static let marks: [(prefix: StaticString, what: String)] = [
        ("RCLONE_ENCRYPT_V0:", "an encrypted rclone configuration"),
        ("age-encryption.org/v1", "encrypted with age"),
        ("-----BEGIN AGE ENCRYPTED FILE-----", "encrypted with age"),
        ("-----BEGIN PGP MESSAGE-----", "encrypted with PGP"),
    ]

    /// Refuses them, `.failed`, saying what they are.
    static func decline(_ text: SharedSecret, _ subject: String) throws(VaultError) {
        guard let found = text.withBytes({ what($0) }) else { return }
        throw VaultError(
            .failed,
            "\(subject) is not imported: it is \(found), which import does not read",
            underlying: FileVerdict.declined
        )
    }

    /// Whether these are the first bytes of one.
    static func isOne(_ bytes: UnsafeRawBufferPointer) -> Bool { what(bytes) != nil }

    private static func what(_ bytes: UnsafeRawBufferPointer) -> String? {
        let mark = marks.first { mark in
            afterComments(bytes).starts(
                with: UnsafeBufferPointer(start: mark.prefix.utf8Start, count: mark.prefix.utf8CodeUnitCount)
            )
        }
        if let mark { return mark.what }
        if isGemini(bytes) { return "Gemini CLI's encrypted store" }
        return isOIDCAgent(bytes) ? "oidc-agent's encrypted configuration" : nil
    }

    /// No JSON, and a last line that says which version has written it.
    private static func isOIDCAgent(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.first != UInt8(ascii: "{"), bytes.count < 1 << 20 else { return false }
        let last = bytes.split(separator: UInt8(ascii: "\n")).last
        return last?.starts(with: "Generated using version: ".utf8) ?? false
    }

    /// rclone says in a comment what follows.
    private static func afterComments(_ bytes: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer> {
        var rest = bytes.prefix(4096)
        while let first = rest.first, [UInt8(ascii: "#"), UInt8(ascii: "\n"), UInt8(ascii: "\r")].contains(first) {
            rest = rest.drop { $0 != UInt8(ascii: "\n") }.dropFirst()
        }
        return rest
    }

    /// 32 hexadecimal digits, a colon, 32 more, a colon, more of them, and perhaps a last newline.
    private static func isGemini(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 66, bytes[32] == UInt8(ascii: ":"), bytes[65] == UInt8(ascii: ":") else { return false }
        let end = bytes.last == UInt8(ascii: "\n") ? bytes.count - 1 : bytes.count
        return end > 66 && [0..<32, 33..<65, 66..<end].allSatisfy { range in bytes[range].allSatisfy(isDigit) }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= 48 && byte <= 57 || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "f")
    }
}
