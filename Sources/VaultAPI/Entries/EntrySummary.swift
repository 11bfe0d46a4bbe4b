/// What a list shows of an entry: everything but its secrets.
///
/// It is sealed apart from them, so that `vault list` decrypts no token.
public struct EntrySummary: Hashable, Sendable {
    /// Survives renaming and re-keying.
    public var id: EntryID
    /// The entry's name.
    public var name: EntryName
    /// Grows with every change; 0 before the first write.
    public var generation: UInt64 = 0
    /// Whether the entry may be used and refreshed.
    public var state: EntryState = .active
    /// What is sealed, where `state` follows from where one looks instead; `nil` where it is `state`.
    package var sealedState: EntryState?

    /// Which provider's rules apply, by the preset's name.
    public var provider: String?
    /// The authorization server (RFC 8414, `issuer`).
    public var issuer: String?
    /// Whose account it is, where the file or the id token says: an e-mail address or an account id.
    public var account: String?
    /// The scope as granted (RFC 6749 §3.3), one element for each scope token.
    public var scopes: [String] = []
    /// RFC 6749 §7.1; `Bearer` in most cases.
    public var tokenType: String?
    /// Until when the access token is valid.
    public var expiry: Expiry = .unknown
    /// When the access token was issued, where known.
    public var issuedAt: Timestamp?
    /// When the entry was made.
    public var createdAt: Timestamp
    /// When the entry was last changed.
    public var updatedAt: Timestamp

    /// RFC 6749 §3.1.
    public var authorizationEndpoint: String?
    /// RFC 6749 §3.2.
    public var tokenEndpoint: String?
    /// RFC 7009 §2.
    public var revocationEndpoint: String?
    /// RFC 6749 §2.2.
    public var clientID: String?
    /// How the client authenticates at the token endpoint (RFC 7591, `token_endpoint_auth_method`).
    public var clientAuthentication: String?
    /// RFC 8707.
    public var resource: String?
    /// Whether a refresh spends the refresh token.
    public var rotation: Rotation = .unknown
    /// How the grant was obtained, where that matters to renewing it (RFC 6749 §1.3): `client_credentials` is asked for
    /// again, everything else is refreshed.
    public var grantType: String?
    /// What this server wants otherwise than the RFCs say, in the words of the flows.
    public var quirks: [String] = []
    /// Hosts that the token may be sent to, beside the resource's own.
    public var hosts: [String] = []
    /// What the next login is to be told too and no other field says, as words of the command line: `--device`.
    public var loginOptions: [String] = []
    /// The redirect URI with which a login registered the client (RFC 7591 §2); `nil` for a client that is registered
    /// otherwise.
    public var registeredRedirect: String?
    /// The scope that the client was registered for; some servers grant it no other.
    public var registeredScopes: [String] = []
    /// When the client secret runs out (RFC 7591 §3.2.1, `client_secret_expires_at`); `nil` for never.
    public var clientSecretExpiresAt: Timestamp?
    /// From how far away the server's endpoints must be reachable, in the words of the flows, where they were found by a
    /// URL that everybody reaches.
    public var endpointReach: String?
    /// How many times a person has authorised for this resource, the login included; 0 where nothing counts.
    public var authorizations: UInt8 = 0

    /// Whether a person is asked before each use.
    public var confirmsUse = false
    /// The absolute paths of the programs that may use it; any may where there are none.
    public var programs: [String] = []

    /// A refresh that was begun and whose end nobody recorded.
    public var journal: RefreshJournal?
    /// When the tokens here were last taken from the server.
    public var refreshedAt: Timestamp?
    /// The last attempt to refresh, if it failed.
    public var refreshFailure: RefreshFailure?

    /// The one machine that refreshes it, where several share a store without a common lock: a hash, 16 bytes.
    public var refresher: [UInt8]?

    /// The file the entry was imported from.
    public var source: EntrySource?
    /// Which secrets there are; kept in step by whoever seals the entry.
    public var holds: Set<SecretField> = []
    /// Free-form facts that go with the entry, none of them secret.
    public var metadata: [String: String] = [:]
    /// Fields of a newer version of the format, carried along as they are.
    package var unknownFields: [TaggedField] = []

    /// A new entry that has never been written.
    public init(name: EntryName, createdAt: Timestamp) {
        self.id = EntryID.random()
        self.name = name
        self.createdAt = createdAt
        self.updatedAt = createdAt
    }

    /// The state as it is kept, wherever one looks.
    ///
    /// Whoever sets another state means that one.
    package var keptState: EntryState {
        if case .held(let reason) = state, reason.isApparent { sealedState ?? .active } else { state }
    }

    /// Whether refreshing it spends a refresh token, so that only one may do it at a time.
    package var spendsRefreshToken: Bool {
        name.kind == .oauth && holds.contains(.refreshToken) && grantType != "client_credentials"
    }

    /// The instant at which the access token expires, where it is known.
    package var expiresAt: Timestamp? {
        if case .known(let time) = expiry { time } else { nil }
    }
}

/// Whether an entry may be used and refreshed.
public enum EntryState: Hashable, Sendable {
    /// In use.
    case active
    /// Handed out, never refreshed: another copy of the grant may be in use elsewhere.
    case held(HoldReason)
    /// The server's refusals look like a dead grant.
    case suspect
    /// Only a new login helps. The reason is one word, such as `rotationResponseLost`.
    case reauthorizationRequired(String)

    /// The word that `--json` documents carry.
    public var word: String {
        switch self {
        case .active: "active"
        case .held: "held"
        case .suspect: "suspect"
        case .reauthorizationRequired: "reauthorizationRequired"
        }
    }

    /// Why, where the state has a reason.
    public var reason: String? {
        switch self {
        case .active, .suspect: nil
        case .held(let reason): reason.rawValue
        case .reauthorizationRequired(let reason): reason
        }
    }
}

/// Why an entry is held.
public enum HoldReason: String, Hashable, Sendable {
    /// Its plain file still exists, and the program that owns it refreshes.
    case secondOwner
    /// It came out of a backup, which may hold a spent refresh token.
    case restored
    /// It is older than what this machine has seen.
    case rolledBack
    /// Another machine refreshes it, and the store has no lock that both could take.
    ///
    /// It is never sealed: it follows from where one looks.
    case otherMachine
    /// A sync tool has left two versions of it.
    ///
    /// It is never sealed either.
    case conflict

    /// Whether it follows from where one looks, and is never sealed.
    package var isApparent: Bool { self == .otherMachine || self == .conflict }
}

/// Until when an access token is valid.
///
/// A missing time is not "never", and neither is it an hour.
public enum Expiry: Hashable, Sendable {
    /// Until that instant.
    case known(Timestamp)
    /// The server did not say: used until a 401 says otherwise.
    case unknown
    /// The format says that it does not expire.
    case never

    /// The word that `--json` documents carry beside `expires_at`.
    public var word: String {
        switch self {
        case .known: "known"
        case .unknown: "unknown"
        case .never: "never"
        }
    }
}

/// Whether a refresh spends the refresh token, so that two owners of a grant log each other out.
public enum Rotation: String, Hashable, Sendable, CaseIterable {
    /// Not known: treated as if it did.
    case unknown
    /// It does not.
    case never
    /// It does.
    case always
}

/// Where an imported entry came from.
public struct EntrySource: Hashable, Sendable {
    /// The absolute path of the file.
    public var path: String
    /// SHA-256 of the whole file as it was read.
    public var sha256: [UInt8]
    /// Where in the file the grant stands: a JSON pointer (RFC 6901), `""` for the whole document.
    public var pointer: String
    /// Which format it was read as.
    public var format: String

    /// Makes a source.
    public init(path: String, sha256: [UInt8], pointer: String, format: String) {
        self.path = path
        self.sha256 = sha256
        self.pointer = pointer
        self.format = format
    }
}
