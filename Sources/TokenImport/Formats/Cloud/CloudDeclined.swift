internal import StrictJSON
internal import VaultAPI

/// Files of developer tools that are known and hold nothing to be taken in.
enum CloudDeclined {
    static let googleClient = DeclinedFormat("google-client", "a Google client's secret and no token") { root, _ in
        ["installed", "web"].contains { root[$0]?.has("client_secret") ?? false }
    }

    static let awsClient = DeclinedFormat("aws-sso-client", "AWS's client registration and no token") { root, _ in
        root.has("clientId") && root.has("clientSecret") && root.hasString("expiresAt") && !root.has("accessToken")
    }

    static let salesforce = DeclinedFormat(
        "salesforce",
        "the Salesforce CLI's file, whose tokens are encrypted already, with a key in the keyring or in key.json"
    ) { root, _ in
        ["accessToken", "refreshToken"].contains { root[$0].map(isSealedBySalesforce) ?? false }
    }

    static let registration = DeclinedFormat("client-registration", "a client's registration and no token") { root, _ in
        root.has("client_id") && root.has("redirect_uris") && !root.has("access_token") && !root.has("refresh_token")
    }

    /// Hexadecimal digits, a colon, and the 32 digits of a GCM tag.
    private static func isSealedBySalesforce(_ value: JSONValue) -> Bool {
        guard value.kind == .string else { return false }
        return value.document.text.withBytes { bytes in
            let text = bytes[value.range.lowerBound + 1..<value.range.upperBound - 1]
            guard text.count > 33, text[text.endIndex - 33] == UInt8(ascii: ":") else { return false }
            return text.indices.allSatisfy { index in
                switch text[index] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
                default: index == text.endIndex - 33
                }
            }
        }
    }
}

extension Formats {
    /// Shapes that only one developer tool writes.
    static let cloud: [any TokenFileFormat] = [
        MSALFormat(), AzureLegacyFormat(), DatabricksCLIFormat(), SlackFormat(), TerraformFormat(), NetlifyFormat(),
        CloudDeclined.googleClient, GoogleADCFormat(), GAMFormat(), GoogleAuthFormat(), OAuth2ClientFormat(),
        MuttFormat(), AWSFormat(), CloudDeclined.awsClient, CloudDeclined.salesforce, VercelFormat(),
    ]

    /// Families of shapes, asked after every tool that writes one of them in a way of its own.
    static let cloudFamilies: [any TokenFileFormat] = [
        SpotipyFormat(), OAuthlibFormat(), KubeloginFormat(), CloudDeclined.registration, DropboxFormat(),
    ]
}
