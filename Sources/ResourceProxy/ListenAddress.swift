internal import OAuthFlows
internal import StrictJSON
package import VaultAPI

/// Where a proxy waits for its clients: the loopback interface, or a socket in a directory.
package enum ListenAddress: Sendable, Hashable {
    /// 127.0.0.1; port 0 for any.
    case ipv4(port: Int)
    /// [::1]; port 0 for any.
    case ipv6(port: Int)
    /// A Unix socket.
    case unix(path: String)

    /// Reads `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` for the first of them, or `unix:PATH`.
    ///
    /// - Throws: `.unsafe` for what others could reach, `.usage` for what is none of these.
    package init(_ text: String) throws(VaultError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, !path.utf8.contains(0) else { throw Self.malformed(text) }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else { throw Self.malformed(text) }
        let (host, digits) = (text[..<colon].lowercased(), text[text.index(after: colon)...])
        guard !digits.isEmpty, digits.count <= 5, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = Int(digits), port <= 65535
        else { throw Self.malformed(text) }
        switch host {
        case "127.0.0.1", "localhost": self = .ipv4(port: port)
        case "[::1]": self = .ipv6(port: port)
        default:
            // Whatever a name resolves to, it may resolve to another thing tomorrow.
            throw VaultError(
                .unsafe,
                "--listen \(printable(text)) is refused: a proxy that adds a token listens on this machine alone",
                hint: "--listen 127.0.0.1:0, [::1]:0 or unix:PATH"
            )
        }
    }

    private static func malformed(_ text: String) -> VaultError {
        VaultError(
            .usage,
            "--listen \(printable(text)) is no address to listen at",
            hint: "--listen 127.0.0.1:PORT, [::1]:PORT or unix:PATH; port 0 stands for any"
        )
    }
}
