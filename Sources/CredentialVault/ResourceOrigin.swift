internal import AsyncHTTPClient
internal import OAuthFlows
internal import VaultAPI

/// Where a token may go: one scheme, host and port.
struct ResourceOrigin: Sendable {
    private let url: EndpointURL

    init(of resource: String) throws(VaultError) {
        url = try EndpointURL(resource, as: "the resource")
    }

    var isLoopback: Bool { url.isLoopback }

    /// The URL of a request, without its query, if it is one of this origin's.
    ///
    /// RFC 6454 §5: scheme, host and port, as wholes. The host is compared in lower case, and any other difference makes
    /// it another: `api.example.com.evil.example`, `api.example.com.` and `api.example.com:8443` are not
    /// `api.example.com`.
    ///
    /// - Throws: `.unsafe`, with nothing sent.
    func target(of text: String, for name: String) throws(VaultError) -> String {
        let target = try EndpointURL(String(text.prefix { $0 != "?" }), as: "the URL of the request")
        guard target.origin == url.origin else {
            throw VaultError(
                .unsafe,
                "\(name) is for \(url.origin) here, and \(target.origin) is not that; nothing was sent",
                hint: "make a ResourceClient for each host"
            )
        }
        // The query names no host, so it may hold what an endpoint's may not, such as `$filter=`; but no space, control
        // character or fragment.
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw VaultError(
                .unsafe,
                "the URL of the request, \(shownURL(text)), holds a character that no URL may hold as it is; nothing was sent"
            )
        }
        // AsyncHTTPClient reads the URL once more, with Foundation. The readings must not differ.
        guard let read = try? HTTPClient.Request(url: text), "\(read.url)" == text, read.port == target.port,
            read.useTLS == (target.scheme == "https"),
            read.host.lowercased() == target.host || read.host.lowercased() == "[\(target.host)]"
        else {
            throw VaultError(.unsafe, "the URL of the request, \(shownURL(text)), has two readings; nothing was sent")
        }
        return target.text
    }
}
