internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What an import is told beside its paths.
///
/// No member holds a secret.
public struct ImportOptions: Hashable, Sendable {
    /// The format to read files as, instead of recognising it.
    public var format: String?
    /// The entry's name, for an import of one grant: `x`, `oauth:x` or `static:x`.
    public var name: String?
    /// Whether the tokens leave their files once they are in the vault.
    public var remove = false
    /// The Databricks host of a file that does not name it.
    public var host: String?
    /// The client id of files that name none.
    public var clientID: String?
    /// A file with the client secret of files that hold none.
    public var clientSecretFile: String?
    /// The scopes of files that name none.
    public var scopes: [String] = []
    /// The token endpoint of files that name none.
    public var tokenURL: String?
    /// The authorization server of files that name none.
    public var issuer: String?
    /// The resource (RFC 8707) of files that name none.
    public var resource: String?

    /// Whether a file's tokens take the place of an entry's, whatever their times say: its owner alone had the grant.
    var fileIsNewest = false

    /// Whose home and variables decide where programs keep their files.
    public var machine: Machine

    /// No options.
    public init(machine: Machine = .current) { self.machine = machine }

    /// Checks what can be checked without a file.
    ///
    /// - Throws: `.usage` for an unknown format, `.unsafe` for a name's wrong form or a URL that is no `https`, and the
    ///   errors of the file with the client secret.
    func check() throws(VaultError) {
        if let format { _ = try Formats.named(format) }
        if let name { _ = try EntryName(parsing: name) }
        if let clientSecretFile { _ = try ClientSecretFile.read(clientSecretFile) }
        for (option, url) in [("--token-url", tokenURL), ("--issuer", issuer), ("--resource", resource)] {
            guard let url, !Endpoint.isAcceptable(url) else { continue }
            throw VaultError(
                .unsafe,
                "\(option) \(printable(url)) is refused: https is needed, or http on this machine, without user or fragment"
            )
        }
        if let host, !Endpoint.isAcceptable(host.contains("://") ? host : "https://" + host) {
            throw VaultError(.unsafe, "--host \(printable(host)) is refused: https is needed, without user or fragment")
        }
    }

    /// Fills in what the file does not say.
    func complete(_ grant: inout FoundGrant) {
        guard grant.summary.name.kind == .oauth else { return }
        grant.summary.clientID = grant.summary.clientID ?? clientID
        grant.summary.tokenEndpoint = grant.summary.tokenEndpoint ?? tokenURL
        grant.summary.issuer = grant.summary.issuer ?? issuer
        grant.summary.resource = grant.summary.resource ?? resource
        if grant.summary.scopes.isEmpty { grant.summary.scopes = scopes }
        if clientSecretFile != nil, grant.token(.clientSecret) == nil, grant.elsewhere.isEmpty,
            grant.summary.clientAuthentication != "client_secret_post"
        {
            // RFC 7591 §2: the method where none is named.
            grant.summary.clientAuthentication = "client_secret_basic"
        }
    }

    /// What a refresh of a grant would still need once this has been filled in, in words that name the option.
    func missing(for grant: FoundGrant) -> [String] {
        guard grant.summary.name.kind == .oauth else { return [] }
        guard grant.token(.refreshToken) != nil else { return ["a refresh token"] }
        var missing: [String] = []
        if grant.summary.clientID == nil { missing.append("the client id (--client-id)") }
        if grant.summary.tokenEndpoint == nil { missing.append("the token endpoint (--token-url)") }
        let hasSecret = grant.token(.clientSecret) != nil || clientSecretFile != nil
        if !hasSecret, grant.summary.clientAuthentication?.hasPrefix("client_secret") == true {
            missing.append("the client secret (--client-secret-file)")
        }
        return missing
    }
}
