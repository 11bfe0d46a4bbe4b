internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// How a tool lays out one grant: what it calls its members, and how it writes its times.
///
/// Most tools save what a token endpoint answered under names of their own. The names are what differs, so they are the
/// data and the reading stands once. Where several names are given, the first that is there and not null counts.
struct GrantLayout: Sendable {
    /// A member that holds a time.
    struct Time: Sendable {
        let name: String
        /// `nil` where the tool has written several: then a text is RFC 3339 and a number's size tells its unit.
        let form: TimeForm?
        /// What an expiry of 0, or of Go's zero time, means to the tool.
        let zero: Expiry

        init(_ name: String, _ form: TimeForm?, zero: Expiry = .unknown) {
            self.name = name
            self.form = form
            self.zero = zero
        }
    }

    var access = ["access_token"]
    var refresh = ["refresh_token"]
    var idToken = ["id_token"]
    var tokenType = ["token_type"]
    var scopes = ["scope", "scopes"]
    var expiry: [Time] = []
    var issued: [Time] = []
    var account: [String] = []
    var clientID: [String] = []
    var clientSecret: [String] = []
    /// Facts that go with the entry.
    var kept: [String] = []
    /// The type of token where no member tells it.
    var assumedType: String? = "Bearer"
    /// What else describes the grant and leaves with it.
    var rest: [String] = []
    /// Whether the access token is a JWT whose own claim tells its expiry, where no member does.
    var expiresByClaim = false

    /// RFC 6749's names with `expires_at` in this form.
    static func snake(_ form: TimeForm?) -> GrantLayout { GrantLayout(expiry: [Time("expires_at", form)]) }

    /// The names of JavaScript, and milliseconds.
    static let camel = GrantLayout(
        access: ["accessToken"],
        refresh: ["refreshToken"],
        idToken: ["idToken"],
        tokenType: ["tokenType"],
        expiry: [Time("expiresAt", .milliseconds)]
    )

    /// The short names that opencode, pi and OpenClaw share, and milliseconds.
    static let short = GrantLayout(
        access: ["access"],
        refresh: ["refresh"],
        idToken: [],
        tokenType: [],
        expiry: [Time("expires", .milliseconds)],
        account: ["accountId", "email"],
        clientID: ["clientId"],
        kept: ["email", "enterpriseUrl", "projectId"]
    )

    /// All members that belong to the grant, for one that shares its object with what is not its own.
    var names: [String] {
        access + refresh + idToken + tokenType + scopes + expiry.map(\.name) + issued.map(\.name) + clientID
            + clientSecret + kept + rest
    }

    /// Members that are worth nothing once the secrets among them are gone.
    var chaff: Set<String> { Set(names) }
}

extension FoundGrant {
    /// The grant whose members stand in an object; `nil` where it holds neither an access nor a refresh token.
    ///
    /// - Parameters:
    ///   - name: What the entry is to be called.
    ///   - place: What the grant's pointer names and what leaves the file with it, where that is more than the object.
    ///   - client: The client it was granted to, where that is known.
    /// - Throws: `.damaged` where the object is none, or a member has another type than it may.
    static func read(
        _ value: JSONValue,
        as layout: GrantLayout,
        named name: String,
        at place: JSONValue? = nil,
        client: KnownClient? = nil,
        in context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard value.kind == .object else { throw value.mismatch(expected: "an object") }
        let access = try value.token(of: layout.access)
        let refresh = try value.token(of: layout.refresh)
        guard access != nil || refresh != nil else { return nil }
        let idToken = try value.token(of: layout.idToken)
        var grant = FoundGrant(.nearest(.oauth, name), at: place ?? value, in: context)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.idToken, idToken)
        grant.summary.tokenType = try value.fact(of: layout.tokenType) ?? layout.assumedType
        grant.summary.account = try value.fact(of: layout.account)
        for name in layout.scopes where grant.summary.scopes.isEmpty { grant.summary.scopes = try value.words(name) }
        try grant.takeTimes(of: value, layout)
        for name in layout.kept { try grant.keep(name, of: value) }
        if let client { grant.belongs(to: client, in: context) }
        if let own = try value.fact(of: layout.clientID) { grant.summary.clientID = own }
        if let secret = try value.token(ofSecret: layout.clientSecret) {
            grant.add(.clientSecret, secret)
            grant.summary.clientAuthentication = nil
        } else if grant.summary.clientID != nil {
            grant.summary.clientAuthentication = grant.summary.clientAuthentication ?? "none"
        }
        // The document itself cannot leave its file, so what a flat one says of its grant leaves one by one.
        let whole = place ?? value
        grant.members = whole.parent == nil ? layout.names.compactMap { value[$0] } : [whole]
        return grant
    }

    private mutating func takeTimes(of value: JSONValue, _ layout: GrantLayout) throws(VaultError) {
        if let time = layout.expiry.first(where: { value.first(of: [$0.name]) != nil }) {
            let form = time.form ?? value.form(ofTime: time.name)
            try expires(time.name, of: value, as: form, zero: time.zero)
        }
        if case .unknown = summary.expiry, layout.expiresByClaim {
            summary.expiry = JWTClaims(of: token(.accessToken))?.expiry.map { .known($0) } ?? .unknown
        }
        if let time = layout.issued.first(where: { value.first(of: [$0.name]) != nil }) {
            try issued(time.name, of: value, as: time.form ?? value.form(ofTime: time.name))
        }
    }

    /// Says whose client the grant is, and what that provider's tokens tell of the account.
    mutating func belongs(to client: KnownClient, in context: ReadingContext) {
        summary.apply(client)
        summary.clientAuthentication = client.clientID == nil ? nil : "none"
        let idToken = token(.idToken)
        if client.provider == KnownClient.openAI.provider {
            OpenAIIdentity(JWTClaims(of: idToken ?? token(.accessToken))).label(&summary)
        } else if summary.account == nil {
            summary.account = JWTClaims(of: idToken)?.text("email")
            // xAI names its user in the access token alone.
            if summary.account == nil, client.provider == KnownClient.xAI.provider {
                summary.account = JWTClaims(of: token(.accessToken))?.text("sub")
            }
        }
        guard client.clientID == KnownClient.gemini.clientID else { return }
        summary.clientAuthentication = "client_secret_post"
        if token(.refreshToken) != nil, context.options.clientSecretFile == nil {
            notes.append("to refresh it, Gemini CLI's client secret is needed: --client-secret-file")
        }
    }

    /// Takes the endpoint that a file names only where it is the provider's own.
    ///
    /// An endpoint is where a refresh token is sent, and a file can be planted.
    mutating func trust(_ endpoint: String?, onlyAt domain: String?) {
        guard let endpoint, endpoint != summary.tokenEndpoint else { return }
        if let domain, endpoint.hasPrefix("https://"), let host = Endpoint.host(of: endpoint),
            host == domain || host.hasSuffix("." + domain)
        {
            summary.tokenEndpoint = endpoint
        } else {
            notes.append(
                "the file's token endpoint \(printable(endpoint)) is not used on the file's word; "
                    + "if it is right, give it with --token-url"
            )
        }
    }

    /// Says which of the things that a refresh needs neither the file nor the options say.
    ///
    /// An issuer is none of them: a refresh goes to a token endpoint, and looks for none.
    mutating func noteWhatARefreshLacks(_ context: ReadingContext) {
        guard token(.refreshToken) != nil else { return }
        var completed = self
        context.options.complete(&completed)
        let lacking = context.options.missing(for: completed)
        guard !lacking.isEmpty else { return }
        notes.append("to refresh it, \(lacking.joined(separator: " and ")) must be given: the file does not say")
    }

    /// Records a grant for an MCP server.
    ///
    /// RFC 8707: the grant is for this server. What a file names as its authorization server is only ever an issuer to
    /// discover, which has to answer for itself.
    mutating func serves(_ server: String?, at url: String?, issuer: String? = nil) {
        summary.provider = "mcp"
        if let server { summary.metadata["serverName"] = server }
        if let url, Endpoint.isAcceptable(url) { summary.resource = url }
        if let issuer, Endpoint.isAcceptable(issuer) { summary.issuer = issuer }
    }

    /// Records a second place of a secret, where it holds the same.
    mutating func noteCopy(_ field: EntrySecrets.Field, _ other: JSONValue?) {
        guard let other, let own = token(field), own.index != other.index, own.says(whatIsSaidBy: other) else { return }
        copies.append((field, other))
    }

    /// A key that is used as it is, until somebody revokes it: an entry of its own.
    ///
    /// - Parameters:
    ///   - place: What the grant's pointer names and what leaves the file with it, where that is more than the key.
    ///   - member: What leaves the file with it, where that is more than what the pointer names.
    static func key(
        _ value: JSONValue,
        named name: String,
        provider: String?,
        at place: JSONValue? = nil,
        taking member: JSONValue? = nil,
        in context: ReadingContext
    ) -> FoundGrant {
        var grant = FoundGrant(.nearest(.static, name), at: place ?? value, in: context)
        grant.summary.provider = provider
        grant.add(.secret, value)
        grant.members = [member ?? place ?? value]
        return grant
    }
}

extension JSONValue {
    /// The token of the first of these names.
    func token(of names: [String]) throws(VaultError) -> JSONValue? {
        guard let found = first(of: names) else { return nil }
        return try token(found.name)
    }

    /// The client secret of the first of these names.
    func token(ofSecret names: [String]) throws(VaultError) -> JSONValue? {
        guard let found = first(of: names) else { return nil }
        return try token(found.name, allowingSpaces: true)
    }

    /// The fact of the first of these names.
    func fact(of names: [String]) throws(VaultError) -> String? { try first(of: names)?.fact() }

    /// The object of that name; `nil` where there is none, or null.
    func object(_ name: String) throws(VaultError) -> JSONValue? {
        guard let value = first(of: [name]) else { return nil }
        guard value.kind == .object else { throw value.mismatch(expected: "an object") }
        return value
    }

    /// The number of a member, where it is one, as it is written.
    func number(_ name: String) -> String? { hasNumber(name) ? self[name]?.numberText : nil }

    /// The member's name, where an entry can show it.
    var label: String? {
        let name = name
        return name.isEmpty || name.utf8.count > 256 || name.unicodeScalars.contains(where: isUnprintable) ? nil : name
    }

    fileprivate func form(ofTime name: String) -> TimeForm {
        guard let value = self[name], value.kind == .number else { return .rfc3339 }
        return TimeForm(byMagnitude: value.numberText)
    }
}
