internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A tool's file as it writes one at a login, for grants that came from no file.
///
/// The tokens and times in it are stand-ins, put there so that the format finds the places for the real ones.
enum FileTemplate {
    /// The file; `nil` where the format cannot be written from nothing.
    static func of(_ format: String, for entry: EntrySummary) -> String? {
        switch format {
        case "codex":
            guard entry.holds.contains(.idToken) else { return nil }
            let account = entry.account.map { ",\n    \"account_id\": \(quoted($0))" } ?? ""
            return """
                {
                  "auth_mode": "chatgpt",
                  "OPENAI_API_KEY": null,
                  "tokens": {
                    "id_token": "x",
                    "access_token": "x",
                    "refresh_token": "x"\(account)
                  },
                  "last_refresh": "2000-01-01T00:00:00.000000Z"
                }
                """
        case "claude":
            let scopes = entry.scopes.map(quoted).joined(separator: ",")
            return #"{"claudeAiOauth":{"accessToken":"x","refreshToken":"x","expiresAt":1,"scopes":[\#(scopes)]}}"#
        case "gemini":
            let idToken = entry.holds.contains(.idToken) ? ",\n  \"id_token\": \"x\"" : ""
            return """
                {
                  "access_token": "x",
                  "refresh_token": "x",
                  "scope": \(quoted(entry.scopes.joined(separator: " "))),
                  "token_type": "Bearer"\(idToken),
                  "expiry_date": 1
                }
                """
        case "google-adc":
            guard let client = entry.clientID, entry.holds.contains(.clientSecret) else { return nil }
            return """
                {
                  "client_id": \(quoted(client)),
                  "client_secret": "x",
                  "refresh_token": "x",
                  "type": "authorized_user"
                }
                """
        case "databricks-cli":
            guard let host = entry.metadata["host"] ?? entry.issuer.map(Self.host) else { return nil }
            return """
                {
                  "version": 1,
                  "tokens": {
                    \(quoted(host)): {
                      "access_token": "x",
                      "token_type": "Bearer",
                      "refresh_token": "x",
                      "expiry": "2000-01-01T00:00:00.000000000Z"
                    }
                  }
                }
                """
        default: return nil
        }
    }

    /// Databricks issues tokens at `https://HOST/oidc`.
    private static func host(_ issuer: String) -> String {
        issuer.hasSuffix("/oidc") ? String(issuer.dropLast(5)) : issuer
    }

    /// A JSON string (RFC 8259 §7).
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\" + String(scalar)
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
