/// Where the browser comes back to: a loopback redirect URI (RFC 8252 §7.3), its port still to be found.
package struct LoopbackRedirect: Sendable, Hashable {
    /// As it stands in the URI.
    package enum Host: String, Sendable, Hashable, CaseIterable {
        /// RFC 8252 §8.3: "the use of localhost is NOT RECOMMENDED": the literal avoids what a resolver may say.
        case address = "127.0.0.1"
        /// For providers that have registered just this.
        case name = "localhost"
    }

    package var host: Host
    /// `nil` for any free port.
    package var port: Int?
    /// With its leading slash; empty where a provider has registered the bare origin.
    package var path: String

    /// What a browser asks for: RFC 9110 §4.2.3, "an empty path component is equivalent to a path of "/"".
    package var requestPath: String { path.isEmpty ? "/" : path }

    package init(host: Host = .address, port: Int? = nil, path: String = "/callback") {
        self.host = host
        self.port = port
        self.path = path
    }

    /// What OpenAI has registered for the client of Codex; any other is refused.
    package static let openAI = LoopbackRedirect(host: .name, port: 1455, path: "/auth/callback")

    /// The URI, once the port is known.
    package func uri(port: Int) -> String { "http://\(host.rawValue):\(port)\(path)" }
}
