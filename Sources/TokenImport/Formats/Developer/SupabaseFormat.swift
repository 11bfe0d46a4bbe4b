internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The Supabase CLI's `access-token`: the token and nothing else.
struct SupabaseFormat: TokenFileFormat {
    let identifier = "supabase"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root["text"].map(Self.isToken) ?? false ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let token = try root.token("text"), Self.isToken(token) else { return FileContents() }
        var grant = FoundGrant(.nearest(.static, "supabase"), at: token, in: context)
        grant.summary.provider = "supabase"
        grant.add(.secret, token)
        grant.members = [token]
        return FileContents(grants: [grant])
    }

    /// Whether it is `sbp_` or `sbp_oauth_` and 40 hexadecimal digits.
    private static func isToken(_ value: JSONValue) -> Bool {
        guard value.kind == .string, value.hasSecretPrefix("sbp_") else { return false }
        let beginning = value.hasSecretPrefix("sbp_oauth_") ? 10 : 4
        var (count, sound) = (0, true)
        value.document.text.withBytes { bytes in
            JSONText.decode(value.range, of: bytes) { byte in
                let isDigit = byte >= 48 && byte <= 57 || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "f")
                if count >= beginning, !isDigit { sound = false }
                count += 1
            }
        }
        return sound && count == beginning + 40
    }
}
