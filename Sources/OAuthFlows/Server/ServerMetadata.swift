internal import StrictJSON
package import VaultAPI

/// Finds out what an authorization server offers (RFC 8414, OpenID Connect Discovery 1.0 §4).
package struct ServerMetadata: Sendable {
    package var http: any HTTPExchange

    private static let maximumRedirects = 3

    package init(http: any HTTPExchange) { self.http = http }

    /// The server that is known by this issuer, or `nil` if it publishes no metadata: every place answered with 4xx.
    ///
    /// - Throws: `.unsafe` if the issuer is no such URL, the metadata is another issuer's, names an endpoint that no
    ///   credential may be sent to, or is redirected to another origin; `.temporary` if it cannot be had now.
    package func fetch(issuer: String) async throws(VaultError) -> AuthorizationServer? {
        for place in try Self.places(of: issuer) {
            // Only 4xx says "not here". After 5xx, or no answer, the next place may be another, lesser truth.
            guard let document = try await document(at: place) else { continue }
            return try Self.server(from: document, issuer: issuer)
        }
        return nil
    }

    /// The server whose metadata is at this URL, where a preset or a person names it.
    ///
    /// Without an issuer to expect, the one that the metadata names must be of the same origin as the metadata.
    ///
    /// - Throws: As `fetch(issuer:)`, and `.configuration` if nothing is there.
    package func fetch(at url: EndpointURL, issuer: String? = nil) async throws(VaultError) -> AuthorizationServer {
        guard let document = try await document(at: url) else {
            throw VaultError(.configuration, "no server metadata at \(url.withoutQuery)")
        }
        if let issuer { return try Self.server(from: document, issuer: issuer) }
        let named = try Self.text("issuer", of: document) ?? ""
        let issuer = try EndpointURL(named, as: "the issuer that \(url.withoutQuery) names,")
        guard issuer.origin == url.origin else {
            throw VaultError(.unsafe, "\(url.withoutQuery) names an issuer of another origin, \(issuer.withoutQuery)")
        }
        return try Self.server(from: document, issuer: named)
    }

    /// Where the metadata of an issuer may be, in order.
    ///
    /// Made from the text of the issuer, never through a URL type: a round trip may change what is then compared.
    package static func places(of issuer: String) throws(VaultError) -> [EndpointURL] {
        let url = try EndpointURL(issuer, as: "the issuer")
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
        for text in texts { places.append(try EndpointURL(text, as: "the metadata of the issuer")) }
        return places
    }

    /// The JSON object at a URL, or `nil` on 4xx.
    private func document(at start: EndpointURL) async throws(VaultError) -> JSONDocument? {
        var url = start
        for _ in 0...Self.maximumRedirects {
            var request = HTTPRequest(.get, url)
            request.fields = [("Accept", "application/json")]
            let response: HTTPResponse
            do {
                response = try await http.send(request)
            } catch {
                throw VaultError(.temporary, "the server's metadata cannot be had: \(error.message)", underlying: error)
            }
            switch response.status {
            case 200: return try Self.parse(response, of: url)
            case 400..<500: return nil
            case 301, 302, 303, 307, 308: url = try Self.target(of: response, from: url)
            default:
                throw VaultError(
                    .temporary,
                    "the server's metadata cannot be had: \(url.withoutQuery) answered \(response.status)"
                )
            }
        }
        throw VaultError(.unsafe, "\(start.withoutQuery) is redirected more than \(Self.maximumRedirects) times")
    }

    private static func target(of response: HTTPResponse, from url: EndpointURL) throws(VaultError) -> EndpointURL {
        let locations = response.values(of: "Location")
        guard locations.count == 1, let location = locations.first else {
            throw VaultError(.temporary, "\(url.withoutQuery) is redirected to nowhere")
        }
        let isPath = location.hasPrefix("/") && !location.hasPrefix("//")
        let target = try EndpointURL(
            isPath ? String(url.withoutQuery.dropLast(url.path.count)) + location : location,
            as: "what \(url.withoutQuery) is redirected to,"
        )
        guard target.origin == url.origin else {
            throw VaultError(.unsafe, "\(url.withoutQuery) is redirected to another origin, \(shownURL(target.origin))")
        }
        return target
    }

    private static func parse(_ response: HTTPResponse, of url: EndpointURL) throws(VaultError) -> JSONDocument {
        let subject = "the server's metadata at \(url.withoutQuery)"
        let document: JSONDocument
        do throws(VaultError) {
            document = try JSONDocument(response.body, subject: subject)
        } catch {
            throw VaultError(.temporary, error.message, hint: "is there a login page of the network in between?")
        }
        guard document.isAnswer else {
            let levels = JSONDocument.maximumAnswerDepth
            throw VaultError(.temporary, "\(subject) is no JSON object of at most \(levels) levels")
        }
        return document
    }

    // MARK: - Members

    private static func server(from document: JSONDocument, issuer: String) throws(VaultError) -> AuthorizationServer {
        let named = try text("issuer", of: document)
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
        var server = AuthorizationServer(issuer: issuer)
        server.authorizationEndpoint = try endpoint("authorization_endpoint", of: document, url)
        server.tokenEndpoint = try endpoint("token_endpoint", of: document, url)
        server.revocationEndpoint = try endpoint("revocation_endpoint", of: document, url)
        server.deviceAuthorizationEndpoint = try endpoint("device_authorization_endpoint", of: document, url)
        server.pushedAuthorizationRequestEndpoint = try endpoint(
            "pushed_authorization_request_endpoint",
            of: document,
            url
        )
        server.registrationEndpoint = try endpoint("registration_endpoint", of: document, url)
        server.requiresPushedAuthorizationRequests = flag("require_pushed_authorization_requests", of: document)
        server.sendsIssuer = flag("authorization_response_iss_parameter_supported", of: document)
        server.clientIDMetadataDocumentSupported = flag("client_id_metadata_document_supported", of: document)
        server.codeChallengeMethods = try list("code_challenge_methods_supported", of: document)
        server.scopesSupported = try list("scopes_supported", of: document)
        server.tokenEndpointAuthenticationMethods = try list("token_endpoint_auth_methods_supported", of: document)
        return server
    }

    private static func endpoint(
        _ name: String,
        of document: JSONDocument,
        _ issuer: EndpointURL
    ) throws(VaultError) -> EndpointURL? {
        guard let text = try text(name, of: document) else { return nil }
        let url = try EndpointURL(text, as: "\(name) in \(document.subject),")
        // Otherwise whoever writes metadata could have this machine post to services that only it reaches. What a name
        // resolves to is not looked at here.
        let reach = url.reach
        guard reach >= issuer.reach else {
            let place = reach == .machine ? "on this machine" : "in a private network"
            throw VaultError(.unsafe, "\(name) in \(document.subject) is \(place), and its issuer is not")
        }
        return url
    }

    private static func text(_ name: String, of document: JSONDocument) throws(VaultError) -> String? {
        do throws(VaultError) { return try document.root.fact(name) } catch { throw unsafe(error) }
    }

    private static func list(_ name: String, of document: JSONDocument) throws(VaultError) -> [String]? {
        guard let value = document.root[name], value.kind != .null else { return nil }
        guard value.kind == .array else { throw unsafe(value.mismatch(expected: "an array")) }
        do throws(VaultError) { return try document.root.words(name) } catch { throw unsafe(error) }
    }

    private static func flag(_ name: String, of document: JSONDocument) -> Bool {
        guard let value = document.root[name], value.kind == .boolean else { return false }
        return value.numberText == "true"
    }

    /// What a member should not be, in terms of a server instead of a file.
    private static func unsafe(_ error: VaultError) -> VaultError {
        VaultError(.unsafe, error.message, underlying: error)
    }
}
