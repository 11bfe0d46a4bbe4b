internal import OAuthFlows
package import VaultAPI
internal import VaultCore
internal import VaultCrypto

extension LocalBroker: CredentialBroker {
    package nonisolated func accessToken(
        for name: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> AccessToken {
        try await accessToken(for: name, requirements, handOut)
    }

    package nonisolated func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        try await authorization(for: name, method: method, url: url, requirements, handOut)
    }
}

extension LocalBroker {
    /// An access token for one caller.
    package nonisolated func accessToken(
        for name: String,
        _ requirements: TokenRequirements,
        _ handOut: HandOut
    ) async throws(VaultError) -> AccessToken {
        let need = TokenNeed(requirements, now: clock.now)
        let name = try EntryName(parsing: name)
        let token = try await ungatedToken(for: name, need) { (entry) throws(VaultError) in
            try await handOut.admit(entry, in: vault)
        }
        guard token.summary.tokenType != "DPoP" else { throw .bound(token.summary.name) }
        let access = try token.accessToken()
        _ = await handOut.record(name.kind == .static ? .secret : .token, of: token.summary, in: vault)
        return access
    }

    /// The header fields of one request, for one caller.
    package nonisolated func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements,
        _ handOut: HandOut
    ) async throws(VaultError) -> Authorization {
        let target = try EndpointURL(url, as: "the URL of the request")
        let need = TokenNeed(requirements, now: clock.now)
        let token = try await ungatedToken(for: try EntryName(parsing: name), need) { (entry) throws(VaultError) in
            try await handOut.admit(entry, in: vault)
        }
        try token.summary.requireHost(of: target)
        let access = try token.accessToken()
        guard token.summary.tokenType == "DPoP" else {
            _ = await handOut.record(.authorization, of: token.summary, in: vault)
            return Authorization(fields: [("Authorization", "Bearer \(access.value)")], token: access)
        }
        let entry = try await vault.read(token.summary.name)
        guard let stored = try entry.secrets.shared(.dpopKey) else {
            throw VaultError(.damaged, "\(token.summary.name) is bound to a key that it does not hold")
        }
        let key = try DPoPKey(importing: stored)
        if let nonce = requirements.dpopNonce, !DPoPNonces.isNonce(nonce) {
            throw VaultError(
                .usage,
                "the nonce is none: a DPoP-Nonce is up to 512 printable characters (RFC 9449 §8.1)"
            )
        }
        let proof = try key.proof(
            method: method,
            url: target,
            nonce: requirements.dpopNonce,
            accessToken: token.value,
            at: clock.now
        )
        _ = await handOut.record(.authorization, of: token.summary, in: vault)
        return Authorization(fields: [("Authorization", "DPoP \(access.value)"), ("DPoP", proof)], token: access)
    }
}

extension FreshToken {
    /// The token as a caller gets it.
    package func accessToken() throws(VaultError) -> AccessToken {
        let text = value.withSecret { $0.withUnsafeBytes { String(validating: $0, as: UTF8.self) } }
        guard let text else { throw VaultError(.damaged, "\(summary.name) holds no text") }
        return AccessToken(value: text, type: summary.tokenType ?? "Bearer", expiresAt: summary.expiresAt?.description)
    }
}

extension EntrySummary {
    /// Refuses a host that the token is not for.
    ///
    /// RFC 8707 §2: a token for one resource is not to be shown to another. Hosts are compared as wholes, in lower case,
    /// ports included where they are not the scheme's own: `GITHUB.com.evil` is no `github.com`. `*.example.com` covers
    /// all hosts below that one, at the scheme's own port, and not `example.com` itself.
    func requireHost(of url: EndpointURL) throws(VaultError) {
        var allowed = Set(hosts.map { $0.lowercased() })
        if let resource {
            let known = try EndpointURL(resource, as: "the resource of \(name)")
            allowed.insert(known.authority)
        }
        let isCovered = allowed.contains { $0.hasPrefix("*.") && url.authority.hasSuffix($0.dropFirst()) }
        guard allowed.isEmpty || isCovered || allowed.contains(url.authority) else {
            throw VaultError(
                .unsafe,
                "\(name) is for \(allowed.sorted().joined(separator: ", ")), and \(url.authority) is none of them",
                hint: "vault login NAME --resource URL makes a grant for another resource"
            )
        }
    }
}
