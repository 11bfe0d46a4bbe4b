internal import StrictJSON
package import VaultAPI

/// A Client ID Metadata Document: a client whose id is the URL of what is to be known of it
/// (draft-ietf-oauth-client-id-metadata-document).
package struct ClientMetadataDocument: Sendable {
    /// The client's id.
    package let url: EndpointURL
    /// Where the browser may come back to, as the document says.
    package let redirect: LoopbackRedirect

    /// Fetches the document and checks it as the server will.
    ///
    /// - Throws: `.unsafe` if the URL is none that can be a client's id or the document is another client's,
    ///   `.configuration` if it is not there or has no redirect on this machine, `.temporary` if it cannot be had now.
    package static func fetch(
        _ text: String,
        http: any HTTPExchange
    ) async throws(VaultError) -> ClientMetadataDocument {
        let url = try EndpointURL(text, as: "the client's metadata document")
        // §3: "Client identifier URLs MUST have an "https" scheme, MUST contain a path component", and no dot segments.
        guard url.scheme == "https", !url.path.isEmpty, url.path != "/", !url.hasDotSegments else {
            throw VaultError(
                .unsafe,
                "\(shownURL(text)) cannot be a client's id: such a URL is https and has a path without . and .. segments"
            )
        }
        let request = MetadataRequest(http: http, log: DiscoveryLog(), subject: .clientMetadata)
        guard let document = try await request.document(at: url) else {
            throw VaultError(.configuration, "there is no client metadata document at \(url.withoutQuery)")
        }
        // §4.1: "The client_id property … MUST match the client_id URL using simple string comparison".
        let id = try document.metadataText("client_id") ?? ""
        guard Array(id.utf8) == Array(text.utf8) else {
            throw VaultError(
                .unsafe,
                "\(document.subject) is another client's: it names \(shownURL(id)), expected \(shownURL(text))"
            )
        }
        let redirects = try document.metadataList("redirect_uris") ?? []
        guard let redirect = redirects.lazy.compactMap(LoopbackRedirect.init(uri:)).first else {
            throw VaultError(
                .configuration,
                "\(document.subject) has no redirect URI on this machine",
                hint: "add \"http://127.0.0.1/callback\" to its redirect_uris"
            )
        }
        return ClientMetadataDocument(url: url, redirect: redirect)
    }
}

extension LoopbackRedirect {
    /// Reads a redirect URI; `nil` where it is none on this machine that a listener can serve.
    ///
    /// RFC 8252 §7.3: without a port it stands for any.
    package init?(uri: String) {
        guard let url = try? EndpointURL(uri, as: "the redirect URI"), url.scheme == "http", url.query == nil,
            let host = Host(rawValue: url.host)
        else { return nil }
        let hasPort = uri.dropFirst("http://".count).prefix { $0 != "/" }.contains(":")
        self.init(host: host, port: hasPort ? url.port : nil, path: url.path)
    }
}
