import Foundation
import Glibc
import TestSupport
import Testing

/// No token is sent anywhere by an import, whatever endpoint a file names.
@Suite(.blocking)
struct ImportSilenceTests {
    private let home: Sandbox
    private let port: ListeningPort

    init() throws {
        home = try Sandbox()
        try home.make()
        port = try ListeningPort()
    }

    /// Each names the listener in every place where its format has an endpoint, a host or an issuer; plain http to
    /// loopback is allowed wherever a URL is, so nothing but the importer's own restraint keeps it quiet.
    private func plant() throws -> [String] {
        let url = "http://127.0.0.1:\(port.number)"
        let header = "eyJhbGciOiJub25lIn0"
        let claims = Data(#"{"iss":"\#(url)","aud":"client","sub":"you","exp":1893456000}"#.utf8).base64EncodedString()
            .replacingOccurrences(of: "=", with: "")
        let jwt = "\(header).\(claims)."
        return [
            try home.write("generic.json", #"{"access_token":"a","refresh_token":"r1","token_url":"\#(url)/token"}"#),
            try home.write(
                "token.json",
                #"{"token":"a","refresh_token":"r2","token_uri":"\#(url)/token","client_id":"c","client_secret":"s"}"#
            ),
            try home.write(
                ".credentials.json",
                #"{"mcpOAuth":{"s|1":{"serverName":"s","serverUrl":"\#(url)/mcp","accessToken":"a","expiresAt":1,"#
                    + #""refreshToken":"r3","clientId":"c","discoveryState":{"authorizationServerUrl":"\#(url)"}}}}"#
            ),
            try home.write(
                "mcp-oauth-tokens.json",
                #"[{"serverName":"s","token":{"accessToken":"a","refreshToken":"r4","tokenType":"Bearer"},"#
                    + #""clientId":"c","tokenUrl":"\#(url)/token","mcpServerUrl":"\#(url)/mcp"}]"#
            ),
            try home.write(
                String(repeating: "0", count: 64),
                #"{"id_token":"\#(jwt)","refresh_token":"r5"}"#
            ),
        ]
    }

    @Test func connectsToNobody() throws {
        let files = try plant()
        try succeed(home.run([Sandbox.program, "import"] + files + ["--dry-run"]))
        // Expired tokens are imported like others, and are no reason to refresh them.
        try succeed(home.run([Sandbox.program, "import"] + files + ["--yes"]))
        try succeed(home.run([Sandbox.program, "import"] + files + ["--yes", "--remove"]))
        #expect(try home.vault("list", "--json").object().objects("entries").count >= files.count)
        #expect(!port.wasCalled)
    }

    @Test func aPlantedEndpointIsNoTokenEndpoint() throws {
        let files = try plant()
        try succeed(home.run([Sandbox.program, "import"] + files + ["--yes", "--remove"]))
        for entry in try home.vault("list", "--json").object().objects("entries") {
            let name = try #require(entry.text("name"))
            let shown = try succeed(home.vault("show", name, "--json")).object()
            #expect(shown.text("token_endpoint")?.contains("127.0.0.1") != true, "\(name)")
        }
    }
}

/// A port that listens and answers nobody.
private final class ListeningPort {
    let number: UInt16
    private let descriptor: Int32

    init() throws {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(socket, generic, length) == 0 && listen(socket, 16) == 0
                    && getsockname(socket, generic, &length) == 0
            }
        }
        try #require(bound)
        descriptor = socket
        number = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }

    /// Whether anybody has connected.
    var wasCalled: Bool {
        let connection = accept(descriptor, nil, nil)
        if connection >= 0 { close(connection) }
        return connection >= 0
    }
}
