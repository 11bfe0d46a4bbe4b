internal import StrictJSON
internal import VaultAPI

/// What a resource server says about itself (RFC 9728 §2), as far as a client needs it.
package struct ProtectedResourceMetadata: Sendable, Hashable {
    /// The identifier, byte for byte as published: what `resource` is in every request (RFC 8707).
    package let resource: String
    /// The issuers that may be asked, in the resource's order.
    package let authorizationServers: [String]
    package let scopesSupported: [String]?
    /// RFC 9449: whether only tokens that are bound to a key are taken.
    package let requiresDPoP: Bool

    /// Reads and judges a document.
    ///
    /// - Parameters:
    ///   - place: Where the document was asked for.
    ///   - asked: The resource's URL as the user gave it.
    /// - Throws: `.unsafe` if it is the metadata of another resource, or holds what no metadata may.
    init(_ document: JSONDocument, at place: EndpointURL, of asked: EndpointURL) throws(VaultError) {
        // RFC 9728 §3.3: "If these values are not identical, the data contained in the response MUST NOT be used."
        // Resources below one that publishes metadata for all of them are as common as this rule is strict, and a parent
        // of the same origin can say what it likes of what is below it.
        guard let named = try document.metadataText("resource") else {
            throw VaultError(.unsafe, "\(document.subject) names no resource")
        }
        let resource = try EndpointURL(named, as: "the resource in \(document.subject),", leastReach: asked.leastReach)
        guard resource.covers(asked) else {
            throw VaultError(
                .unsafe,
                "\(document.subject) is another resource's: it names \(shownURL(named)), expected "
                    + "\(shownURL(asked.text)) or what is above it at the same origin"
            )
        }
        // One of many tenants of an origin can answer with any challenge, and must not speak for the others. The
        // well-known places are the origin's own.
        let isOrigins = place.origin == asked.origin && place.path.hasPrefix("/.well-known/oauth-protected-resource")
        guard isOrigins || asked.covers(resource) else {
            throw VaultError(
                .unsafe,
                "\(document.subject) is for \(shownURL(named)), which is more than \(shownURL(asked.text)), and stands "
                    + "at no well-known place of its origin"
            )
        }
        self.resource = named
        authorizationServers = try document.metadataList("authorization_servers") ?? []
        scopesSupported = try document.metadataList("scopes_supported")
        requiresDPoP = document.metadataFlag("dpop_bound_access_tokens_required")
        // RFC 9728 §2: `[]` and a list without "header" mean that a token in the Authorization field is not taken.
        if let methods = try document.metadataList("bearer_methods_supported"), !methods.contains("header") {
            throw VaultError(
                .configuration,
                "\(document.subject) does not take tokens in the Authorization field, and vault sends them nowhere else"
            )
        }
    }
}

extension EndpointURL {
    /// Whether a token for this resource may be used at another URL: the same, or one below it by whole path segments.
    ///
    /// A closing slash ends no segment: `/mcp` and `/mcp/` are one resource to the servers that have either.
    package func covers(_ other: EndpointURL) -> Bool {
        guard origin == other.origin else { return false }
        if let query { return path == other.path && query == other.query }
        let own = segments
        return other.segments.starts(with: own)
    }

    /// What stands between the slashes of the path, without an empty one at its end.
    private var segments: [Substring] {
        var segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
        if segments.last == "" { segments.removeLast() }
        return Array(segments)
    }

    /// Whether the path has a `.` or `..` segment, escaped or not: to some programs it is then another path.
    package var hasDotSegments: Bool {
        path.split(separator: "/").contains { segment in
            let plain = segment.lowercased().replacing("%2e", with: ".")
            return plain == "." || plain == ".."
        }
    }
}
