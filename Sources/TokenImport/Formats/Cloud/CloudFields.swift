internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Which member of an object holds what, for the many formats that differ in little else.
struct CloudFields: Sendable {
    var access: String?
    var refresh: String?
    var idToken: String?
    var clientSecret: String?
    var clientID: String?
    var account: String?
    var scopes: String?
    var tokenType: String?
    var expiry: (name: String, form: TimeForm)?
    var issued: (name: String, form: TimeForm)?
    /// What an entry keeps of it beside.
    var facts: [String] = []
    /// What else leaves the file with the grant.
    var rest: [String] = []

    /// Every member that leaves with a grant that is the whole document.
    private var names: [String] {
        let single = [access, refresh, idToken, clientSecret, clientID, account, scopes, tokenType]
        return single.compactMap { $0 } + [expiry?.name, issued?.name].compactMap { $0 } + facts + rest
    }

    /// Members that are worth nothing once the secrets among them are gone.
    var chaff: Set<String> { Set(names) }

    /// The grant in this object; `nil` where it holds neither token.
    ///
    /// Where it is a part of the document it leaves as a whole; of the document itself only what is named leaves.
    func grant(
        _ name: String,
        at value: JSONValue,
        in context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard value.kind == .object else { throw value.mismatch(expected: "an object") }
        let accessToken = try token(access, of: value)
        let refreshToken = try token(refresh, of: value)
        guard accessToken != nil || refreshToken != nil else { return nil }
        var grant = FoundGrant(.nearest(.oauth, name), at: value, in: context)
        grant.add(.accessToken, accessToken)
        grant.add(.refreshToken, refreshToken)
        grant.add(.idToken, try token(idToken, of: value))
        if let clientSecret {
            grant.add(.clientSecret, try value.token(clientSecret, allowingSpaces: true))
        }
        if let clientID { grant.summary.clientID = try value.fact(clientID) }
        if let account { grant.summary.account = try value.fact(account) }
        if let scopes { grant.summary.scopes = try value.words(scopes) }
        if let tokenType { grant.summary.tokenType = try value.fact(tokenType) }
        if let (name, form) = expiry { try grant.expires(orNever: name, of: value, as: form) }
        if let (name, form) = issued, try !value.isZeroTime(name, form) {
            try grant.issued(name, of: value, as: form)
        }
        for fact in facts { try grant.keep(fact, of: value) }
        grant.members = value.parent == nil ? names.compactMap { value[$0] } : [value]
        return grant
    }

    private func token(_ name: String?, of value: JSONValue) throws(VaultError) -> JSONValue? {
        guard let name else { return nil }
        return try value.token(name)
    }
}

extension JSONValue {
    /// Whether a member is Go's zero time, told by its text: calendars disagree about the year 1.
    fileprivate func isZeroTime(_ name: String, _ form: TimeForm) throws(VaultError) -> Bool {
        guard form == .rfc3339, let text = try fact(name) else { return false }
        return text.hasPrefix("0001-01-01T00:00:00")
    }

    /// The number of a member, where it is one, as it is written.
    func number(_ name: String) -> String? { hasNumber(name) ? self[name]?.numberText : nil }
}

extension FoundGrant {
    /// Takes the expiry, and Go's zero time as "never".
    mutating func expires(
        orNever name: String,
        of value: JSONValue,
        as form: TimeForm
    ) throws(VaultError) {
        if try value.isZeroTime(name, form) {
            summary.expiry = .never
        } else {
            try expires(name, of: value, as: form)
        }
    }

    /// A token that is valid until somebody revokes it, as a `static:` entry.
    ///
    /// - Parameter member: What leaves the file with it, where that is more than the token.
    static func key(
        _ name: String,
        _ token: JSONValue,
        provider: String,
        taking member: JSONValue? = nil,
        in context: ReadingContext
    ) -> FoundGrant {
        var grant = FoundGrant(.nearest(.static, name), at: token, in: context)
        grant.summary.provider = provider
        grant.add(.secret, token)
        grant.members = [member ?? token]
        return grant
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

    /// Fills in Google's endpoint where the file names one of Google's.
    ///
    /// An endpoint in a file is where a refresh token would be sent, and a file can be planted: no other counts.
    mutating func applyGoogle(endpoint: String?) {
        summary.provider = KnownClient.google.provider
        guard let endpoint else { return }
        if KnownClient.googleTokenEndpoints.contains(endpoint) {
            summary.issuer = KnownClient.google.issuer
            summary.tokenEndpoint = endpoint
            summary.rotation = .never
        } else {
            notes.append(
                "the file's token endpoint \(printable(endpoint)) is none of Google's and is not used; "
                    + "if it is right, give it with --token-url"
            )
        }
    }
}
