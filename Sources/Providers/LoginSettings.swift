internal import PrivateFiles
internal import StrictJSON
internal import SettingsFiles
package import VaultAPI
package import VaultCrypto

/// How to log in to one entry, as `oauth/<name>.yaml` says it.
///
/// The first five fields are those of Moat's files, which are taken as they are; the others are the vault's own.
package struct LoginSettings: Sendable {
    package var authorizationURL: String?
    package var tokenURL: String?
    package var clientID: String?
    /// Held in locked memory from here on.
    package var clientSecret: SharedSecret?
    package var scopes: [String]?
    /// A preset's name.
    package var provider: String?
    package var issuer: String?
    /// The resource's own URL, where discovery begins: `url`.
    package var resourceURL: String?
    package var deviceURL: String?
    package var revocationURL: String?
    /// RFC 8707.
    package var resource: String?
    /// RFC 7591, `token_endpoint_auth_method`.
    package var clientAuthentication: String?
    /// Where the metadata of a client lies that a server reads for itself.
    package var clientMetadataURL: String?
    /// RFC 7591, `token_endpoint_auth_method` of a client that is to be registered.
    package var registrationAuthentication: String?
    package var scopeSeparator: String?
    /// Values for the preset's `{…}`.
    package var parameters: [String: String] = [:]

    /// The names of the fields, Moat's first.
    private static let fields = [
        "auth_url", "token_url", "client_id", "client_secret", "scopes", "provider", "issuer", "url", "device_url",
        "revocation_url", "resource", "client_auth", "client_metadata_url", "register_auth", "scope_separator",
        "parameters",
    ]

    /// Reads a file; `nil` where there is none.
    ///
    /// - Throws: `.configuration` naming file, line and field; `.unsafe` for a link, a foreign owner, a file that
    ///   others may write, or one with a client secret that others may read; `.unavailable` if it cannot be read.
    package static func read(_ path: String) throws(VaultError) -> LoginSettings? {
        guard let read = try SettingsFile.read(path) else { return nil }
        let settings = try LoginSettings(yaml: read.bytes, subject: path)
        guard settings.clientSecret == nil || !read.isReadableByOthers else {
            throw VaultError(
                .unsafe,
                "\(printable(path)): others can read it, and it holds a client secret",
                hint: "chmod 600 \(shellQuoted(path))"
            )
        }
        return settings
    }

    /// Reads the text of a file.
    ///
    /// - Parameter subject: The path, for errors.
    package init(yaml: [UInt8], subject: String) throws(VaultError) {
        let map = try YAMLMap(yaml, subject: subject)
        try map.requireKnown(Self.fields)
        authorizationURL = try map.text("auth_url")
        tokenURL = try map.text("token_url")
        clientID = try map.text("client_id")
        if let secret = try map.text("client_secret") {
            do throws(CryptoError) {
                clientSecret = SharedSecret(try SecretBytes(Array(secret.utf8)))
            } catch {
                throw VaultError(
                    .failed,
                    "\(printable(subject)): the client secret cannot be held in memory: \(error.message)"
                )
            }
        }
        scopes = try map.texts("scopes")
        provider = try map.text("provider")
        issuer = try map.text("issuer")
        resourceURL = try map.text("url")
        deviceURL = try map.text("device_url")
        revocationURL = try map.text("revocation_url")
        resource = try map.text("resource")
        clientAuthentication = try map.word("client_auth", of: ProviderPreset.authenticationMethods)
        clientMetadataURL = try map.text("client_metadata_url")
        registrationAuthentication = try map.word("register_auth", of: ProviderPreset.registrableMethods)
        scopeSeparator = try map.word("scope_separator", of: ProviderPreset.separators)
        guard clientSecret == nil || clientID != nil else {
            throw map.fault("client_secret", "is of no client: client_id is missing")
        }
        for pair in try map.pairs("parameters") { parameters[pair.name] = pair.value }
        guard parameters.isEmpty || provider != nil else {
            throw map.fault("parameters", "fills in a provider's parameters, and there is no provider")
        }
    }

    /// Leaves out endpoints, client and secret where a login names another server than the file does.
    ///
    /// They belong together: the secret goes to the server that the file was written for, and to no other. A file that
    /// names no server is for whichever one the login names.
    ///
    /// - Parameters:
    ///   - parameters: Values for the preset's `{…}` that the login names.
    ///   - resourceURL: The resource that the login names, at which discovery begins.
    /// - Returns: Whether something was left out.
    package mutating func leaveOutOtherServer(
        issuer: String?,
        provider: String?,
        parameters: [String: String] = [:],
        resourceURL: String? = nil
    ) -> Bool {
        let places = [
            self.issuer, self.provider, self.resourceURL, authorizationURL, tokenURL, deviceURL, revocationURL,
        ]
        guard places.contains(where: { $0 != nil }) else { return false }
        // As bytes, as issuers are compared everywhere.
        func isOther(_ named: String?, _ own: String?) -> Bool {
            named.map { Array($0.utf8) != own.map { Array($0.utf8) } } ?? false
        }
        let isOtherResource = isOther(resourceURL, self.resourceURL)
        let isOtherServer =
            isOther(issuer, self.issuer) || isOther(provider, self.provider) || isOtherResource
        let isOtherPlace = self.parameters.contains { isOther(parameters[$0.key], $0.value) }
        guard isOtherServer || isOtherPlace else { return false }
        if isOtherServer {
            (self.issuer, self.provider, self.resourceURL, self.parameters) = (nil, nil, nil, [:])
        }
        // RFC 8707's name of the resource goes with its URL.
        if isOtherResource { resource = nil }
        (authorizationURL, tokenURL, deviceURL, revocationURL) = (nil, nil, nil, nil)
        (clientID, clientSecret, clientAuthentication) = (nil, nil, nil)
        (clientMetadataURL, registrationAuthentication) = (nil, nil)
        return true
    }

    /// Leaves out the client where the file names no server that it is for, but a resource or nothing at all.
    package mutating func leaveOutUnnamedServersClient() {
        guard issuer == nil, provider == nil, tokenURL == nil else { return }
        (clientID, clientSecret, clientAuthentication) = (nil, nil, nil)
    }
}
