package import OAuthFlows
package import VaultAPI
package import VaultCore

/// Putting what a token endpoint granted into an entry.
extension EntrySummary {
    /// Takes over a grant's facts; whatever stood in the way of using the entry is over.
    ///
    /// "`scope` absent: keep the old." The same holds for the refresh token, whose place is among the secrets.
    package mutating func record(_ grant: TokenGrant, now: Timestamp) {
        tokenType = grant.tokenType
        issuedAt = grant.requestedAt
        refreshedAt = now
        if let granted = grant.scopes { scopes = granted }
        switch grant.lifetime {
        case .unknown: expiry = .unknown
        case .seconds(let seconds):
            // "Expiry counts from the moment the request was sent"; past the year 9999 is no instant.
            let end = grant.requestedAt.seconds.addingReportingOverflow(seconds)
            let last = Timestamp(seconds: 253_402_300_799)
            expiry = (end.overflow ? last : Timestamp(seconds: end.partialValue) ?? last).map { .known($0) } ?? .unknown
        }
        journal = nil
        refreshFailure = nil
        state = .active
    }
}

extension EntrySecrets {
    /// Takes over a grant's tokens: what it does not have stays as it was.
    package mutating func record(_ grant: TokenGrant) throws(VaultError) {
        try set(.accessToken, to: grant.accessToken)
        if let token = grant.refreshToken { try set(.refreshToken, to: token) }
        if let token = grant.idToken { try set(.idToken, to: token) }
    }
}
