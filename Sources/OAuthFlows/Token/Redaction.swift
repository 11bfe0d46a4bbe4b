internal import StrictJSON
internal import VaultCrypto

/// What a request carried and nothing that is shown or stored may repeat.
///
/// Servers do repeat it: Spring says "Invalid refresh token: " and the token. What is looked for is a server's careless
/// echo, also one that an encoder of the server has been over; a server that means harm has the secret already.
struct Redaction: Sendable {
    private var secrets: [SharedSecret]

    /// A secret of a few letters would take words apart, and is none.
    private static let shortest = 8
    /// So much of a secret's beginning counts as the secret: servers cut what they repeat.
    private static let longestPrefix = 16
    private static let mark = Array("[secret]".utf8)

    init(_ secrets: [SharedSecret] = []) { self.secrets = secrets }

    mutating func add(_ further: [SharedSecret]) { secrets += further }

    /// A text of a server for one line of a terminal, at most 512 characters; `nil` where nothing is left of it.
    ///
    /// Control characters go first: one in the middle of a secret would hide it from the search and then be taken out.
    /// The cut comes last: it would leave the half of a secret that is no longer found.
    func shown(_ text: String) -> String? {
        let plain = masked(Array(withoutControls(text).utf8))
        // In another spelling nobody can say which characters of the text it is made of.
        guard !Self.otherSpellings(of: plain).contains(where: holdsSecret) else { return nil }
        let cut = String(String.UnicodeScalarView(String(decoding: plain, as: UTF8.self).unicodeScalars.prefix(512)))
        return cut.trimmingSpaces.isEmpty ? nil : cut.trimmingSpaces
    }

    /// Whether a text holds one of the secrets, as it is or encoded.
    func isIn(_ text: String) -> Bool {
        let plain = Array(withoutControls(text).utf8)
        return holdsSecret(plain) || Self.otherSpellings(of: plain).contains(where: holdsSecret)
    }

    private func withoutControls(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.filter { !isUnprintable($0) }))
    }

    private func holdsSecret(_ bytes: [UInt8]) -> Bool {
        bytes.indices.contains { match(in: bytes, at: $0) > 0 }
    }

    private func masked(_ bytes: [UInt8]) -> [UInt8] {
        var (shown, position): ([UInt8], Int) = ([], 0)
        while position < bytes.count {
            let count = match(in: bytes, at: position)
            if count > 0 { shown += Self.mark } else { shown.append(bytes[position]) }
            position += max(count, 1)
        }
        return shown
    }

    /// How many bytes from there on are a secret, or the beginning of one; 0 where none begins.
    private func match(in bytes: [UInt8], at position: Int) -> Int {
        secrets.reduce(0) { longest, secret in
            secret.withBytes { secret in
                guard secret.count >= Self.shortest else { return longest }
                let common = zip(bytes[position...], secret).prefix { $0 == $1 }.count
                return common >= min(secret.count, Self.longestPrefix) ? max(longest, common) : longest
            }
        }
    }

    /// What the text is made from, if an encoder has been over it: form, JSON or PHP (`\/`), base64.
    private static func otherSpellings(of bytes: [UInt8]) -> [[UInt8]] {
        var decoded: [[UInt8]] = []
        for isForm in [true, false] {
            // As a form and as a URL, in which a `+` is a plus.
            let text = isForm ? bytes : bytes.flatMap { $0 == UInt8(ascii: "+") ? Array("%2B".utf8) : [$0] }
            var form: [UInt8] = []
            text.withUnsafeBytes { formDecode($0) { form.append($0) } }
            decoded.append(form)
        }
        decoded.append(bytes.filter { $0 != UInt8(ascii: "\\") })
        // Base64 may begin anywhere in a run of its letters, and says another thing from each of four places.
        for run in bytes.split(whereSeparator: { base64Digit($0) == nil }) {
            for start in 0..<4 { decoded.append(base64Decoded(run.dropFirst(start))) }
        }
        return decoded
    }
}

/// The bytes of a run of base64, of either alphabet; what is left over at its end is dropped.
private func base64Decoded(_ run: ArraySlice<UInt8>) -> [UInt8] {
    var (bytes, bits, count): ([UInt8], UInt32, UInt32) = ([], 0, 0)
    for digit in run.lazy.compactMap(base64Digit) {
        bits = bits << 6 | digit
        count += 6
        guard count >= 8 else { continue }
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        bits &= (1 << count) - 1
    }
    return bytes
}

private func base64Digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a") + 26)
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0") + 52)
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
}
