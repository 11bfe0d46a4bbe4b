internal import SettingsFiles
internal import VaultAPI

extension ProviderPreset: CatalogEntry {
    private static let fields = [
        "name", "title", "parameters", "issuer", "metadata_url", "authorization_endpoint", "token_endpoint",
        "revocation_endpoint", "device_authorization_endpoint", "pushed_authorization_request_endpoint", "client_id",
        "public_client_secret", "client_authentication", "scopes", "scope_separator", "authorization_parameters",
        "redirect", "pkce", "flows", "rotation", "exchange", "quirks", "notes", "registration_page", "resource_hosts",
    ]
    /// How a client that a login registers can authenticate: with a key, it would have to register that too.
    static let registrableMethods = ["none", "client_secret_basic", "client_secret_post"]
    static let authenticationMethods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
    static let separators = [" ", ","]
    static let pkceWords = ["required", "unadvertised"]
    static let rotationWords = ["never", "always", "unknown"]
    static let redirectHosts = ["127.0.0.1", "localhost"]
    static let exchangeSubjects = ["id_token", "access_token"]
    private static let flowWords = ["browser", "device", "openai-device", "codex-device", "client-credentials"]
    /// The words of `TokenRequestQuirk`.
    static let quirkWords = [
        "basic_unencoded", "client_id_in_body", "assertion_audience_token_endpoint",
        "empty_client_secret_in_revocation", "no_resource_in_token_request",
    ]

    /// Reads what `Schemas/provider.schema.json` describes.
    ///
    /// - Parameter fileName: The name the file gives it, which its own must then be.
    init(_ map: YAMLMap, fileName: String?) throws(VaultError) {
        try map.requireKnown(Self.fields)
        let name = try Self.name(map, fileName: fileName)
        self.init(name: name, title: try map.text("title") ?? name)
        parameters = try Self.parameters(map)
        try readEndpoints(map)
        try readClient(map)
        try readRequests(map)
        notes = try map.texts("notes") ?? []
        registrationPage = try map.text("registration_page")
        resourceHosts = try map.texts("resource_hosts") ?? []
        try requireKnownParameters(map)
    }

    private static func parameters(_ map: YAMLMap) throws(VaultError) -> [Parameter] {
        var parameters: [Parameter] = []
        for entry in try map.maps("parameters") {
            try entry.requireKnown(["name", "about", "default", "kind"])
            let name = try entry.required("name")
            guard isName(name), !parameters.contains(where: { $0.name == name }) else {
                throw entry.fault("name", "is no parameter's name, or stands there twice")
            }
            let word = try entry.required("kind")
            guard let kind = Parameter.Kind(rawValue: word) else {
                throw entry.fault(
                    "kind",
                    "is none of \(Parameter.Kind.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            let about = try entry.required("about")
            parameters.append(Parameter(name: name, about: about, preset: try entry.text("default"), kind: kind))
        }
        return parameters
    }

    private mutating func readEndpoints(_ map: YAMLMap) throws(VaultError) {
        issuer = try map.text("issuer")
        metadataURL = try map.text("metadata_url")
        authorizationEndpoint = try map.text("authorization_endpoint")
        tokenEndpoint = try map.text("token_endpoint")
        revocationEndpoint = try map.text("revocation_endpoint")
        deviceAuthorizationEndpoint = try map.text("device_authorization_endpoint")
        pushedAuthorizationRequestEndpoint = try map.text("pushed_authorization_request_endpoint")
        guard issuer != nil || metadataURL != nil || tokenEndpoint != nil else {
            throw map.fault("token_endpoint", "is missing, and so are issuer and metadata_url: one of them is needed")
        }
    }

    private mutating func readClient(_ map: YAMLMap) throws(VaultError) {
        clientID = try map.text("client_id")
        publicClientSecret = try map.text("public_client_secret")
        clientAuthentication = try map.word("client_authentication", of: Self.authenticationMethods)
        scopes = try map.texts("scopes") ?? []
        scopeSeparator = try map.word("scope_separator", of: Self.separators) ?? " "
        for pair in try map.pairs("authorization_parameters") {
            authorizationParameters.append(Pair(name: pair.name, value: pair.value))
        }
        if let redirect = try map.map("redirect") {
            try redirect.requireKnown(["host", "port", "path"])
            guard let host = try redirect.word("host", of: Self.redirectHosts) else {
                throw redirect.fault("host", "is missing")
            }
            let port = try redirect.integer("port")
            guard port.map((1...65535).contains) ?? true else { throw redirect.fault("port", "is no port") }
            // Empty for a provider that wants the bare origin.
            let path = redirect.names.contains("path") ? try redirect.possiblyEmptyText("path") : "/callback"
            guard path.isEmpty || path.hasPrefix("/") else { throw redirect.fault("path", "does not begin with /") }
            self.redirect = Redirect(host: host, port: port, path: path)
        }
    }

    private mutating func readRequests(_ map: YAMLMap) throws(VaultError) {
        pkce = try map.word("pkce", of: Self.pkceWords) ?? pkce
        rotation = try map.word("rotation", of: Self.rotationWords) ?? rotation
        if let words = try map.texts("flows") {
            guard !words.isEmpty, words.allSatisfy(Self.flowWords.contains) else {
                throw map.fault("flows", "holds a word that is none of \(Self.flowWords.joined(separator: ", "))")
            }
            flows = words
        }
        if let exchange = try map.map("exchange") {
            try exchange.requireKnown(["subject", "requested_token_type", "optional", "reason"])
            guard let subject = try exchange.word("subject", of: Self.exchangeSubjects) else {
                throw exchange.fault("subject", "is missing")
            }
            self.exchange = Exchange(
                subject: subject,
                requestedTokenType: try exchange.required("requested_token_type"),
                isOptional: try exchange.flag("optional") ?? false,
                reason: try exchange.required("reason")
            )
        }
        for quirk in try map.maps("quirks") {
            try quirk.requireKnown(["word", "reason"])
            guard let word = try quirk.word("word", of: Self.quirkWords) else {
                throw quirk.fault("word", "is missing")
            }
            quirks.append(Quirk(word: word, reason: try quirk.required("reason")))
        }
    }

    /// Refuses `{…}` that nothing would fill in.
    private func requireKnownParameters(_ map: YAMLMap) throws(VaultError) {
        for (field, text) in texts {
            for name in ProviderParameters.names(in: text) where !parameters.contains(where: { $0.name == name }) {
                throw map.fault(field, "holds a parameter in braces that is not in parameters")
            }
        }
    }

    private var texts: [(String, String)] {
        var texts: [(String, String?)] = [
            ("issuer", issuer), ("metadata_url", metadataURL), ("authorization_endpoint", authorizationEndpoint),
            ("token_endpoint", tokenEndpoint), ("revocation_endpoint", revocationEndpoint),
            ("device_authorization_endpoint", deviceAuthorizationEndpoint),
            ("pushed_authorization_request_endpoint", pushedAuthorizationRequestEndpoint),
            ("registration_page", registrationPage),
        ]
        texts += resourceHosts.map { ("resource_hosts", $0) }
        return texts.compactMap { field, text in text.map { (field, $0) } }
    }
}

extension YAMLMap {
    /// A URL that is https, or http to this machine, whole and in ASCII; `nil` where the field is not there.
    ///
    /// The error quotes nothing of it: a key may stand in its query.
    ///
    /// - Parameter marks: Which of `?` and `#` it may hold.
    func url(_ name: String, allowing marks: String) throws(VaultError) -> String? {
        guard let text = try text(name) else { return nil }
        let isPrintable = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && text.utf8.count <= 2048
        guard isPrintable, (try? ProviderParameters.requirePlain(text, name, allowing: marks)) != nil else {
            let fragment = marks.contains("#") ? "" : " a fragment,"
            throw fault(
                name,
                "is no URL such as https://HOST/PATH, or http on this machine, without spaces, user info,\(fragment) "
                    + "and dots for a segment"
            )
        }
        return text
    }

    /// A text that is one of these; `nil` where the field is not there.
    func word(_ name: String, of words: [String]) throws(VaultError) -> String? {
        guard let word = try text(name) else { return nil }
        guard words.contains(word) else {
            let choices = words.map { $0 == " " ? "\" \"" : $0 == "," ? "\",\"" : $0 }
            throw fault(name, "is none of \(choices.joined(separator: ", "))")
        }
        return word
    }
}
