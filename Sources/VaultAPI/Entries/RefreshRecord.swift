/// The mark that a refresh token is being spent, written before the request is sent.
///
/// While it stands, nobody knows whether the server has spent the token; `invalid_grant` then means that the answer to
/// an earlier request was lost.
public struct RefreshJournal: Hashable, Sendable {
    /// BLAKE2b-256 of the refresh token that was presented.
    public var spent: [UInt8]
    /// When the first request with it was about to be sent.
    public var startedAt: Timestamp
    /// Past this, the holder of the lease sends nothing: milliseconds since that boot, 0 once the request
    /// is over.
    public var sendBefore: UInt64
    /// Where the lease was held: 8 bytes for the boot of a machine that this counts from, 8 for the file that is locked.
    public var boot: [UInt8]
    /// How many requests with this token had no answer.
    public var lostAnswers: UInt32

    /// Makes a mark.
    public init(spent: [UInt8], startedAt: Timestamp, sendBefore: UInt64, boot: [UInt8], lostAnswers: UInt32 = 0) {
        precondition(spent.count == 32 && boot.count == 16, "VaultAPI: a journal of a wrong size")
        self.spent = spent
        self.startedAt = startedAt
        self.sendBefore = sendBefore
        self.boot = boot
        self.lostAnswers = lostAnswers
    }
}

/// Why the last attempt to refresh failed, and when the next one may be made.
public struct RefreshFailure: Hashable, Sendable {
    /// When the attempt was begun.
    public var at: Timestamp
    /// No attempt is made before this, unless somebody asks for one by name.
    public var retryAt: Timestamp
    /// Failures in a row.
    public var count: UInt32
    /// How many of them in a row were refusals without a clear reason.
    public var unclear: UInt32
    /// What kind of failure it was.
    public var kind: Kind
    /// A sentence without a secret, of one line.
    public var reason: String

    /// What an attempt can fail of.
    ///
    /// The raw values are the codes of the format.
    public enum Kind: UInt16, Sendable, CaseIterable {
        /// Nothing was sent.
        case unsent = 0
        /// The answer was lost, so that the token may be spent.
        case lost = 1
        /// The server asked to come back later.
        case busy = 2
        /// The server rejects the client, scope or grant type as configured.
        case misconfigured = 3
        /// The server refused without a clear reason.
        case unclear = 4
        /// The server says that the grant is dead.
        case dead = 5

        /// The word that `--json` documents carry.
        public var word: String { "\(self)" }
    }

    /// Makes a failure.
    public init(
        at: Timestamp,
        retryAt: Timestamp,
        count: UInt32,
        unclear: UInt32 = 0,
        kind: Kind,
        reason: String
    ) {
        self.at = at
        self.retryAt = retryAt
        self.count = count
        self.unclear = unclear
        self.kind = kind
        self.reason = reason
    }
}
