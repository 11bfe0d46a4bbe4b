import AsyncHTTPClient
import CredentialVault

/// What the README shows, compiled and run.
enum Example {
    static func run() async throws {
        // README: begin
        let credentials = try await Credentials.open()
        try await credentials.set("static:example", to: "sk-EXAMPLE")
        print(try await credentials.accessToken(for: "static:example").value, try await credentials.list().map(\.name))
        // README: end
    }

    /// Compiled only: it asks a server of the world.
    static func user(_ credentials: Credentials) async throws -> HTTPClientResponse {
        // README: begin
        let github = try ResourceClient(credentials, for: "github", at: "https://api.github.com")
        let answer = try await github.execute(
            HTTPClientRequest(url: "https://api.github.com/user"),
            timeout: .seconds(30)
        )
        // README: end
        return answer
    }

    /// A token that is valid now.
    static func printToken(of name: String) async throws {
        print(try await Credentials.open().accessToken(for: name).value)
    }

    /// A request that a token goes with, and the next token if the first one is refused.
    static func get(_ url: String, as name: String) async throws {
        let credentials = try await Credentials.open()
        let resource = try ResourceClient(credentials, for: name, at: url)
        let answer = try await resource.execute(HTTPClientRequest(url: url), timeout: .seconds(30))
        print(answer.status.code, String(buffer: try await answer.body.collect(upTo: 1 << 20)))
    }
}
