internal import OAuthFlows
package import VaultAPI
package import VaultCore
package import VaultCrypto

/// What makes a token good enough for one caller.
package struct TokenNeed: Sendable {
    /// Seconds of validity asked for.
    package var minimumValidity: Int64 = 0
    /// The fingerprint of an access token that a resource refused.
    package var rejected: TokenFingerprint?
    /// Whether only a token that was refreshed after `began` will do.
    package var requiresRefresh = false
    /// When the caller began to ask.
    package var began: Timestamp

    package init(began: Timestamp) { self.began = began }

    package init(_ request: TokenRequirements, now: Timestamp) {
        minimumValidity = request.minimumValiditySeconds
        if let rejected = request.rejected { self.rejected = TokenFingerprint(of: Array(rejected.value.utf8)) }
        requiresRefresh = request.requiresRefresh
        began = request.began ?? now
    }

    /// Whether what was done then was done after the caller asked.
    ///
    /// An instant that lies ahead was written by a clock that was wrong, and says nothing.
    func isAnswered(by time: Timestamp, now: Timestamp) -> Bool {
        time >= began && time.seconds <= now.seconds + TokenValidity.clockDifference
    }
}

/// A token on its way to a caller.
package struct FreshToken: Sendable {
    /// The access token, or the secret of a `static:` entry.
    package let value: SharedSecret
    /// The entry it is from.
    package let summary: EntrySummary
    /// What the caller should know: that it is valid for less than asked for, or that refreshing failed.
    package var notes: [String] = []
}
