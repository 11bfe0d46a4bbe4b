import CredentialVault

/// A program that links the library, in a process of its own, so that its environment is a test's to choose.
@main
enum Main {
    static func main() async throws {
        switch CommandLine.arguments.dropFirst().first {
        case "example": try await Example.run()
        case "passphrase": try await usePassphrase()
        default: await printCodes()
        }
    }

    private static func usePassphrase() async throws {
        let credentials = try await Credentials.open(passphrase: { Array("sesame".utf8) })
        try await credentials.set("static:x", to: "value")
        let token = try await credentials.accessToken(for: "static:x")
        print(token.value, token.type, token.expiresAt ?? "-", "\(token)")
        print(try await credentials.list().map(\.name.description))
        try await credentials.remove("static:x")
        print(await code { _ = try await credentials.accessToken(for: "static:x") })
        print(await code { _ = try await Credentials.open(passphrase: { [65] }) })
        print(await code { _ = try await Credentials.open() })
    }

    private static func printCodes() async {
        print(await code { _ = try await Credentials.open(profile: "none") })
        print(await code { _ = try await Credentials.open(profile: "../x") })
        print(await code { try await Credentials.open().set("x", to: "value") })
        print(await code { try await Credentials.open().set("static:../x", to: "value") })
        print(await code { try await Credentials.open().remove("x") })
        print(await code { _ = try await Credentials.open().accessToken(for: "t") })
    }

    private static func code(_ body: () async throws -> Void) async -> Int32 {
        do {
            try await body()
            return 0
        } catch {
            return (error as? VaultError)?.code.exitStatus ?? -1
        }
    }
}
