import CredentialVault
import ExampleBackend

/// A program that links the library, in a process of its own, so that its environment is a test's to choose.
@main
enum Main {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst() + ["", "", ""]
        let (mode, name, last) = (arguments[1], arguments[2], arguments[3])
        switch mode {
        case "example": try await Example.run()
        case "passphrase": try await usePassphrase()
        case "token": await report { try await Example.printToken(of: name) }
        case "get": await report { try await Example.get(last, as: name) }
        case "backend":
            await report {
                try await OwnVault.make(in: name, passphrase: last)
                print(try await OwnVault.read(in: name, passphrase: last))
                print(try await OwnVault.read(in: name, passphrase: "wrong"))
            }
        case "reject": try await reject(name, tasks: Int(last) ?? 1)
        default: await printCodes()
        }
    }

    /// As many tasks as there may be in a server, all of which were refused the same token.
    private static func reject(_ name: String, tasks: Int) async throws {
        let credentials = try await Credentials.open()
        let first = try await credentials.accessToken(for: name)
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    var requirements = TokenRequirements()
                    requirements.rejected = first
                    return try await credentials.accessToken(for: name, requirements).value
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        print(tokens.count, Set(tokens).count, tokens.contains(first.value))
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

    /// Prints what went wrong as the command would.
    private static func report(_ body: @Sendable () async throws -> Void) async {
        do { try await body() } catch {
            print("error", (error as? VaultError)?.code.exitStatus ?? -1, error)
        }
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
