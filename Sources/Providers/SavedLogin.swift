internal import PrivateFiles
internal import StrictJSON
internal import SettingsFiles
package import VaultAPI

/// A login as it is written into `oauth/NAME.yaml` for the next one: where, and as which client.
///
/// It holds no secret: the vault keeps those, and a settings file is what people copy and commit.
package struct SavedLogin: Sendable, Hashable {
    package var resourceURL: String?
    package var issuer: String?
    package var authorizationURL: String?
    package var tokenURL: String?
    package var deviceURL: String?
    package var revocationURL: String?
    package var clientID: String?
    /// Where the metadata of the client is, in the place of an id.
    package var clientMetadataURL: String?
    /// RFC 7591, `token_endpoint_auth_method`.
    package var clientAuthentication: String?
    package var scopes: [String]?
    /// RFC 8707.
    package var resource: String?
    /// A preset's name.
    package var provider: String?
    /// Values for the preset's `{…}`.
    package var parameters: [String: String] = [:]

    package init() {}

    /// The file's text, which `LoginSettings` reads back as it is here.
    ///
    /// - Throws: `.unsafe` where `LoginSettings` would refuse it: a server's words may hold anything.
    package func yaml() throws(VaultError) -> [UInt8] {
        var lines: [String] = []
        func add(_ field: String, _ value: String?) {
            if let value { lines.append("\(field): \(Self.quoted(value))") }
        }
        add("url", resourceURL)
        add("issuer", issuer)
        add("auth_url", authorizationURL)
        add("token_url", tokenURL)
        add("device_url", deviceURL)
        add("revocation_url", revocationURL)
        add("client_id", clientID)
        add("client_auth", clientAuthentication)
        add("client_metadata_url", clientMetadataURL)
        if let scopes {
            lines.append(scopes.isEmpty ? "scopes: []" : "scopes:")
            lines += scopes.map { "  - \(Self.quoted($0))" }
        }
        add("resource", resource)
        add("provider", provider)
        if !parameters.isEmpty {
            lines.append("parameters:")
            let pairs = parameters.sorted { $0.key < $1.key }
            lines += pairs.map { "  \(Self.quoted($0.key)): \(Self.quoted($0.value))" }
        }
        let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
        guard bytes.count <= SettingsFile.longest else {
            throw VaultError(
                .unsafe,
                "the settings of this login have \(bytes.count) bytes, expected \(SettingsFile.longest) at most"
            )
        }
        // A file that the next login refuses would be worse than none.
        do throws(VaultError) {
            _ = try LoginSettings(yaml: bytes, subject: "the settings of this login")
        } catch {
            throw VaultError(.unsafe, error.message)
        }
        return bytes
    }

    /// Writes the file, mode 0600, and makes its directory, mode 0700, where it is missing.
    ///
    /// - Throws: `.configuration` where there is a file with other bytes, which is left as it is; `.unsafe` for what
    ///   `yaml` refuses, and for a file or directory that others may write; `.unavailable` if it cannot be written.
    package func write(to path: String) throws(VaultError) {
        let bytes = try yaml()
        if try Self.isThere(path, bytes) { return }
        do throws(FileError) {
            try SettingsFile.create(path, bytes)
        } catch {
            // Another login may have been faster.
            if error.code == .exists, try Self.isThere(path, bytes) { return }
            throw VaultError(error, error.path)
        }
    }

    /// Whether the file is there already; one with other bytes is an error.
    private static func isThere(_ path: String, _ bytes: [UInt8]) throws(VaultError) -> Bool {
        guard let there = try SettingsFile.read(path) else { return false }
        guard there.bytes == bytes else {
            let shown = shellQuoted(path)
            throw VaultError(
                .configuration,
                "\(printable(path)): is there already, and says something else than this login would write",
                hint: "look at it with: cat \(shown), and move it away with: mv \(shown) \(shellQuoted(path + ".old"))"
            )
        }
        return true
    }

    /// YAML's double-quoted form, in which no character means anything to anybody.
    ///
    /// Scalar by scalar: a quote with a combining mark behind it is another character, and ends the text all the same.
    private static func quoted(_ text: String) -> String {
        let inner = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"", "\\": "\\\(scalar)"
            // `YAMLMap` takes few of them, quoted or not.
            case "*": "\\x2A"
            default: isUnprintable(scalar) ? "\\U" + hexadecimal(scalar.value) : String(scalar)
            }
        }
        return "\"\(inner.joined())\""
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
