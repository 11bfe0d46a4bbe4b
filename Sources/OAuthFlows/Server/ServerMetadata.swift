internal import StrictJSON
package import VaultAPI

/// Finds out what an authorization server offers (RFC 8414, OpenID Connect Discovery 1.0 §4).
package struct ServerMetadata: Sendable {
    private let http: any HTTPExchange
    private let log: DiscoveryLog

    package init(http: any HTTPExchange) { self.init(http: http, log: DiscoveryLog()) }

    init(http: any HTTPExchange, log: DiscoveryLog) { (self.http, self.log) = (http, log) }

    /// The server that is known by this issuer, or `nil` if it publishes no metadata: every place answered with 4xx.
    ///
    /// - Parameter leastReach: How far away its host and its endpoints must be; `nil` goes by the issuer's text.
    /// - Throws: `.unsafe` if the issuer is no such URL, the metadata is another issuer's, names an endpoint that no
    ///   credential may be sent to, or is redirected to another origin; `.temporary` if it cannot be had now.
    package func fetch(
        issuer: String,
        leastReach: Reach? = nil
    ) async throws(VaultError) -> AuthorizationServer? {
        let places = try Self.places(of: issuer, leastReach: leastReach ?? .machine)
        return try await fetch(places, issuer: issuer, leastReach)
    }

    /// The server at an origin that nobody has given an issuer for (MCP 2025-03-26: "the authorization base URL").
    ///
    /// Nobody has spelt the issuer out, so both spellings of an origin are it.
    func fetch(origin: EndpointURL) async throws(VaultError) -> AuthorizationServer? {
        let places = try Self.places(of: origin.origin, leastReach: origin.leastReach)
        return try await fetch(places, issuer: origin.origin, orSlash: true, origin.leastReach)
    }

    private func fetch(
        _ places: [EndpointURL],
        issuer: String,
        orSlash: Bool = false,
        _ leastReach: Reach?
    ) async throws(VaultError) -> AuthorizationServer? {
        for place in places {
            // Only 4xx says "not here". After 5xx, or no answer, the next place may be another, lesser truth.
            guard let document = try await document(at: place) else { continue }
            let named = orSlash ? try document.metadataText("issuer") : nil
            let expected = named == issuer + "/" ? issuer + "/" : issuer
            return try judged { () throws(VaultError) in
                try Self.server(from: document, issuer: expected, leastReach)
            }
        }
        return nil
    }

    private func document(at url: EndpointURL) async throws(VaultError) -> JSONDocument? {
        try await MetadataRequest(http: http, log: log, subject: .serverMetadata).document(at: url)
    }

    private func judged(
        _ read: () throws(VaultError) -> AuthorizationServer
    ) throws(VaultError) -> AuthorizationServer {
        do { return try read() } catch {
            log.refuseLast(error.message)
            throw error
        }
    }

    /// The server whose metadata is at this URL, where a preset or a person names it.
    ///
    /// Without an issuer to expect, the one that the metadata names must be of the same origin as the metadata.
    ///
    /// - Throws: As `fetch(issuer:)`, and `.configuration` if nothing is there.
    package func fetch(
        at url: EndpointURL,
        issuer: String? = nil,
        leastReach: Reach? = nil
    ) async throws(VaultError) -> AuthorizationServer {
        guard let document = try await document(at: url) else {
            throw VaultError(.configuration, "no server metadata at \(url.withoutQuery)")
        }
        if let issuer { return try Self.server(from: document, issuer: issuer, leastReach) }
        let named = try document.metadataText("issuer") ?? ""
        let issuer = try EndpointURL(named, as: "the issuer that \(url.withoutQuery) names,")
        guard issuer.origin == url.origin else {
            throw VaultError(.unsafe, "\(url.withoutQuery) names an issuer of another origin, \(issuer.withoutQuery)")
        }
        return try Self.server(from: document, issuer: named, leastReach)
    }

    /// Where the metadata of an issuer may be, in order.
    ///
    /// Made from the text of the issuer, never through a URL type: a round trip may change what is then compared.
    package static func places(
        of issuer: String,
        leastReach: Reach = .machine
    ) throws(VaultError) -> [EndpointURL] {
        let url = try EndpointURL(issuer, as: "the issuer", leastReach: leastReach)
        // RFC 8414 §2: "a URL that uses the "https" scheme and has no query or fragment components".
        guard url.query == nil else { throw VaultError(.unsafe, "the issuer \(shownURL(issuer)) has a query") }
        let root = String(issuer.dropLast(url.path.count))
        // RFC 8414 §3.1: "any terminating "/" MUST be removed before inserting".
        let path = url.path.hasSuffix("/") ? String(url.path.dropLast()) : url.path
        var texts = ["\(root)/.well-known/oauth-authorization-server\(path)"]
        // For an issuer with a path, never the root's: that is another tenant's, or everybody's.
        texts.append("\(root)/.well-known/openid-configuration\(path)")
        if !path.isEmpty { texts.append("\(root)\(path)/.well-known/openid-configuration") }
        var places: [EndpointURL] = []
        for text in texts {
            places.append(try EndpointURL(text, as: "the metadata of the issuer", leastReach: leastReach))
        }
        return places
    }

    // MARK: - Members

    private static func server(
        from document: JSONDocument,
        issuer: String,
        _ leastReach: Reach?
    ) throws(VaultError) -> AuthorizationServer {
        let named = try document.metadataText("issuer")
        // RFC 8414 §3.3: "The "issuer" value returned MUST be identical to the authorization server's issuer
        // identifier value into which the well-known URI string was inserted". As bytes: `==` of strings would take two
        // spellings of Unicode for one.
        guard let named, Array(named.utf8) == Array(issuer.utf8) else {
            let found = named.map(shownURL) ?? "none"
            throw VaultError(
                .unsafe,
                "\(document.subject) is another issuer's: it names \(found), expected \(shownURL(issuer))"
            )
        }
        let url = try EndpointURL(issuer, as: "the issuer")
        let reach = leastReach ?? url.reach
        var server = AuthorizationServer(issuer: issuer)
        server.authorizationEndpoint = try endpoint("authorization_endpoint", of: document, reach)
        server.tokenEndpoint = try endpoint("token_endpoint", of: document, reach)
        server.revocationEndpoint = try endpoint("revocation_endpoint", of: document, reach)
        server.deviceAuthorizationEndpoint = try endpoint("device_authorization_endpoint", of: document, reach)
        server.pushedAuthorizationRequestEndpoint = try endpoint(
            "pushed_authorization_request_endpoint",
            of: document,
            reach
        )
        server.registrationEndpoint = try endpoint("registration_endpoint", of: document, reach)
        server.requiresPushedAuthorizationRequests = document.metadataFlag("require_pushed_authorization_requests")
        server.sendsIssuer = document.metadataFlag("authorization_response_iss_parameter_supported")
        server.clientIDMetadataDocumentSupported = document.metadataFlag("client_id_metadata_document_supported")
        server.codeChallengeMethods = try document.metadataList("code_challenge_methods_supported")
        server.scopesSupported = try document.metadataList("scopes_supported")
        server.tokenEndpointAuthenticationMethods = try document.metadataList("token_endpoint_auth_methods_supported")
        // Plain http is for this machine, so an issuer whose name leads here, or does at the moment it is asked, could have
        // requests of any content sent to its services.
        for (name, endpoint, _) in server.endpoints where endpoint?.isLoopback == true && !url.isLoopback {
            throw VaultError(.unsafe, "\(name) in \(document.subject) is on this machine, and its issuer is not")
        }
        return server
    }

    private static func endpoint(
        _ name: String,
        of document: JSONDocument,
        _ leastReach: Reach
    ) throws(VaultError) -> EndpointURL? {
        guard let text = try document.metadataText(name) else { return nil }
        return try EndpointURL(text, as: "\(name) in \(document.subject),", leastReach: leastReach)
    }
}
