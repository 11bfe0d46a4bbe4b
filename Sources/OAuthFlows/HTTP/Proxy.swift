package import VaultAPI

/// The proxy that the environment asks for, as far as this program goes through one: `CONNECT` for https.
///
/// AsyncHTTPClient reads no environment. Plain http goes to loopback alone and never through a proxy.
package struct ProxySettings: Sendable {
    package var host: String
    package var port: Int
    /// `user:password`, in base64.
    package var credentials: String?
    private var exceptions: [String]

    /// Reads `https_proxy` or `HTTPS_PROXY`, and `no_proxy` or `NO_PROXY`; the lower case wins, as in curl.
    ///
    /// - Throws: `.configuration` if the proxy is none that can be used.
    package init?(environment: [String: String]) throws(VaultError) {
        func value(_ name: String) -> (name: String, text: String)? {
            for spelling in [name, name.uppercased()] {
                if let text = environment[spelling], !text.isEmpty { return (spelling, text) }
            }
            return nil
        }
        guard let (name, text) = value("https_proxy") else { return nil }
        func refusal(_ reason: String) -> VaultError {
            // The value may hold a password.
            VaultError(
                .configuration,
                "\(name) is no proxy that can be used: \(reason)",
                hint: "write http://host:port"
            )
        }
        var rest = Substring(text)
        if let scheme = rest.firstRange(of: "://") {
            guard rest[..<scheme.lowerBound].lowercased() == "http" else {
                throw refusal("its scheme is not http, which an HTTP proxy for https is spoken to with")
            }
            rest = rest[scheme.upperBound...]
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        if let at = rest.lastIndex(of: "@") {
            let user = rest[..<at]
            credentials = base64(percentDecoded(user))
            rest = rest[rest.index(after: at)...]
        }
        do throws(VaultError) {
            let url = try EndpointURL("https://\(rest)", as: "the proxy")
            guard url.path.isEmpty, url.query == nil else { throw VaultError(.configuration, "") }
            host = url.host
            // Without a port, a proxy's is 1080 to curl and 80 to most others, since its scheme is http.
            port = rest.hasSuffix(":\(url.port)") ? url.port : 80
        } catch {
            throw refusal("it is not of the form http://host:port")
        }
        let separators: Set<Character> = [",", " ", "\t"]
        exceptions = value("no_proxy")?.text.lowercased().split { separators.contains($0) }.map(String.init) ?? []
    }

    /// Whether requests to this URL go through it.
    ///
    /// `NO_PROXY` holds hosts, which cover the hosts below them too, addresses, either with a port, or `*`.
    package func applies(to url: EndpointURL) -> Bool {
        guard url.scheme == "https", !url.isLoopback else { return false }
        return !exceptions.contains { exception in
            if exception == "*" { return true }
            var name = Substring(exception)
            let port = ":\(url.port)"
            if name.hasSuffix(port), name != "::\(url.port)" || url.host != name { name = name.dropLast(port.count) }
            if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
            if name.hasPrefix("*.") { name = name.dropFirst() }
            if name.hasPrefix(".") { name = name.dropFirst() }
            return !name.isEmpty && (url.host == name || url.host.hasSuffix(".\(name)"))
        }
    }
}

/// RFC 3986 §2.1, without `+` for a space.
func percentDecoded(_ text: Substring) -> [UInt8] {
    formDecoded(Substring(text.replacing("+", with: "%2B")))
}
