internal import ArgumentParser
internal import OAuthFlows
internal import Providers
internal import VaultAPI

/// What a login can be told; precedence over settings, presets and what an entry has.
struct LoginOptions: ParsableArguments {
    static let standardTimeout = Duration.seconds(300)

    /// No options: everything comes from settings, presets and the entry.
    static var none: LoginOptions {
        guard let options = try? LoginOptions.parse([]) else {
            preconditionFailure("vault: the options of a login have no defaults")
        }
        return options
    }

    @Option(help: ArgumentHelp("A preset: github, google, databricks, …", valueName: "name"))
    var provider: String?

    @Option(
        help: ArgumentHelp(
            "The resource, such as an MCP server; who gives out its tokens is looked up.",
            valueName: "url"
        )
    )
    var url: String?

    @Option(help: ArgumentHelp("The authorization server; its metadata is looked up.", valueName: "url"))
    var issuer: String?

    @Option(help: ArgumentHelp("What a preset's {host} stands for.", valueName: "host"))
    var host: String?

    @Option(help: ArgumentHelp("What a preset's {tenant} stands for.", valueName: "tenant"))
    var tenant: String?

    @Flag(help: "Confirm a code on any device.")
    var device = false

    @Flag(help: "Log in through a browser on this machine.")
    var browser = false

    @Flag(help: "Use the client's own credentials; nobody is asked.")
    var clientCredentials = false

    @Option(
        name: .customLong("scope"),
        help: ArgumentHelp("A scope to ask for; may be repeated.", valueName: "scope")
    )
    var scopes: [String] = []

    @Option(name: .customLong("client-id"), help: ArgumentHelp("The registered client.", valueName: "id"))
    var clientID: String?

    @Option(help: ArgumentHelp("A file with the client secret.", valueName: "file"))
    var clientSecretFile: String?

    @Option(help: ArgumentHelp("A private key in PEM, for private_key_jwt.", valueName: "pem"))
    var clientKeyFile: String?

    @Option(
        help: ArgumentHelp(
            "How the client authenticates: none, client_secret_basic, client_secret_post or private_key_jwt.",
            valueName: "method"
        )
    )
    var clientAuth: String?

    @Option(help: ArgumentHelp("A Client ID Metadata Document: a URL that is the client's id.", valueName: "url"))
    var clientMetadataURL: String?

    @Option(
        help: ArgumentHelp(
            "Register a new client that authenticates so: none, client_secret_basic or client_secret_post.",
            valueName: "method"
        )
    )
    var registerAuth: String?

    @Option(help: ArgumentHelp("The resource the token is for (RFC 8707).", valueName: "url"))
    var resource: String?

    @Flag(help: "Name no resource.")
    var noResource = false

    @Option(help: ArgumentHelp("The device authorization endpoint.", valueName: "url"))
    var deviceURL: String?

    @Flag(
        inversion: .prefixedNo,
        help: "Bind the tokens to a key that stays in the vault (DPoP); by default as the grant that is replaced was."
    )
    var dpop: Bool?

    @Flag(help: "Accept a server that does not list PKCE with S256.")
    var pkceUnadvertised = false

    @Flag(help: "Exchange the grant for another token, where the preset says how.")
    var exchange = false

    @Option(help: ArgumentHelp("The port the browser is sent back to; 0 for any.", valueName: "n"))
    var port: Int?

    @Flag(help: "Start no browser; the URL is printed either way.")
    var noBrowser = false

    @Option(help: ArgumentHelp("How long to wait for the person, such as 5m.", valueName: "duration"))
    var timeout: LifetimeArgument?

    @Flag(help: "Read the address the browser ends at from standard input, though it is no terminal.")
    var paste = false

    @Flag(help: "Revoke the grant that is replaced; some servers then end the new one too.")
    var revokeOld = false

    @Flag(help: "Leave the grant that is replaced as it is at the server: the default.")
    var keepOld = false

    @Flag(help: "Write what was discovered into oauth/NAME.yaml, without any secret.")
    var saveConfig = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if [device, browser, clientCredentials].count(where: { $0 }) > 1 {
            throw ValidationError("--device, --browser and --client-credentials contradict each other")
        }
        if resource != nil, noResource { throw ValidationError("--resource and --no-resource contradict each other") }
        let registrable: [ClientAuthenticationMethod] = [.none, .basic, .post]
        if let registerAuth, !registrable.map(\.rawValue).contains(registerAuth) {
            throw ValidationError("--register-auth takes \(registrable.map(\.rawValue).joined(separator: ", "))")
        }
        if clientID != nil, clientMetadataURL != nil || registerAuth != nil {
            throw ValidationError("--client-id contradicts --client-metadata-url and --register-auth")
        }
        if clientSecretFile != nil, clientKeyFile != nil {
            throw ValidationError("--client-secret-file and --client-key-file contradict each other")
        }
        if let port, !(0...65_535).contains(port) { throw ValidationError("--port takes 0 to 65535") }
        if let timeout, !(1...86_400).contains(timeout.seconds) {
            throw ValidationError("--timeout takes up to a day, and must be longer than nothing")
        }
        if revokeOld, keepOld { throw ValidationError("--revoke-old and --keep-old contradict each other") }
    }
}

extension LoginOptions {
    /// What the next login of the same name must be told too and what no other field of the entry says, as words of the
    /// command line.
    var remembered: [String] {
        var words: [String] = []
        for (flag, word) in [
            (device, "--device"), (browser, "--browser"), (noResource, "--no-resource"),
            (pkceUnadvertised, "--pkce-unadvertised"), (exchange, "--exchange"),
        ] where flag { words.append(word) }
        for (value, word) in [
            (host, "--host"), (tenant, "--tenant"), (deviceURL, "--device-url"), (port.map { "\($0)" }, "--port"),
            (url, "--url"), (resource, "--resource"), (clientMetadataURL, "--client-metadata-url"),
            (registerAuth, "--register-auth"),
        ] { if let value { words.append("\(word)=\(value)") } }
        return words + scopes.map { "--scope=\($0)" }
    }

    /// What an earlier login remembers; words that only a newer `vault` knows make it nothing.
    static func earlier(_ words: [String]) -> LoginOptions? {
        words.isEmpty ? nil : try? LoginOptions.parse(words)
    }

    /// Fills in which server of a provider an earlier login was for, where this one does not say.
    mutating func recallParameters(_ words: [String]) {
        guard host == nil, tenant == nil, let earlier = Self.earlier(words) else { return }
        (host, tenant) = (earlier.host, earlier.tenant)
    }

    /// The resource that an earlier login was for.
    static func resource(_ words: [String]) -> String? { earlier(words)?.url }

    /// Fills in what an earlier login at the same server was told, where this one is told nothing.
    ///
    /// - Parameters:
    ///   - settings: What the user has written down, which comes before what is remembered.
    ///   - isSameResource: Whether that login was for the same resource: another one is asked for its own scope, under its
    ///     own name.
    mutating func recall(_ words: [String], after settings: LoginSettings?, isSameResource: Bool) {
        guard let earlier = Self.earlier(words) else { return }
        if !device, !browser, !clientCredentials { (device, browser) = (earlier.device, earlier.browser) }
        if scopes.isEmpty, settings?.scopes == nil, isSameResource { scopes = earlier.scopes }
        if resource == nil, settings?.resource == nil, isSameResource {
            noResource = noResource || earlier.noResource
            if !noResource { resource = earlier.resource }
        }
        if settings?.deviceURL == nil { deviceURL = deviceURL ?? earlier.deviceURL }
        pkceUnadvertised = pkceUnadvertised || earlier.pkceUnadvertised
        exchange = exchange || earlier.exchange
        if clientID == nil, settings?.clientMetadataURL == nil {
            clientMetadataURL = clientMetadataURL ?? earlier.clientMetadataURL
        }
        if settings?.registrationAuthentication == nil { registerAuth = registerAuth ?? earlier.registerAuth }
        port = port ?? earlier.port
    }
}
