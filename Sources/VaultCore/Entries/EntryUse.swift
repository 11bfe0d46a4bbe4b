internal import PrivateFiles
public import VaultAPI

extension EntrySummary {
    /// The secret that is handed out on request: the access token while it is valid, or the static secret.
    ///
    /// - Throws: `.loginRequired` if there is none that is valid, with what to do about it.
    public func usableToken(at now: Timestamp) throws(VaultError) -> EntrySecrets.Field {
        if name.kind == .static { return .secret }
        guard holds.contains(.accessToken) else {
            throw VaultError(.loginRequired, "\(name) holds no access token", hint: renewalHint)
        }
        if case .reauthorizationRequired(let reason) = state {
            throw VaultError(.loginRequired, "\(name) needs a new login (\(reason))", hint: renewalHint)
        }
        if case .known(let end) = expiry, end <= now {
            throw VaultError(.loginRequired, "the access token of \(name) expired at \(end)", hint: renewalHint)
        }
        return .accessToken
    }

    /// How a fresh token gets here: from the program that owns the file, where there is one.
    private var renewalHint: String {
        guard let source else { return "import a fresh token: vault import FILE --name \(name.name)" }
        return "let the program that owns \(source.path) log in, then: vault import \(shellQuoted(source.path))"
    }
}
