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
}
