/// An authorization server as far as a client needs it: from a preset, from settings, or from its metadata (RFC 8414).
package struct AuthorizationServer: Sendable {
    /// Byte for byte as configured or discovered; never rewritten through a URL type.
    package var issuer: String?
    package var authorizationEndpoint: EndpointURL?
    package var tokenEndpoint: EndpointURL?
    package var revocationEndpoint: EndpointURL?
    package var deviceAuthorizationEndpoint: EndpointURL?
    package var pushedAuthorizationRequestEndpoint: EndpointURL?
    package var registrationEndpoint: EndpointURL?
    package var requiresPushedAuthorizationRequests = false
    /// RFC 9207: whether every authorization response carries `iss`.
    package var sendsIssuer = false
    /// RFC 7636: the methods the server lists; `nil` where it lists none at all.
    package var codeChallengeMethods: [String]?
    package var scopesSupported: [String]?
    package var tokenEndpointAuthenticationMethods: [String]?
    package var clientIDMetadataDocumentSupported = false

    package init(issuer: String? = nil) {
        self.issuer = issuer
    }
}
