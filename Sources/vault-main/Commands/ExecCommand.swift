internal import ArgumentParser
internal import CVaultSystem
internal import Glibc
internal import VaultAPI

struct ExecCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Become a program that has tokens in its environment.",
        discussion: """
            Everything that is asked for is there before the program starts; signals and the terminal are the program's, \
            and so is the exit status. Failures of vault itself are 125, with the code of its own table in the message; \
            126 is a program that cannot be run, 127 one that is not there.
            """
    )

    @Option(
        name: .customLong("env"),
        help: ArgumentHelp(
            "A variable, and the entry whose token or secret it gets; may be given more than once.",
            valueName: "var=name"
        )
    )
    var variables: [String] = []

    @Option(help: ArgumentHelp("Ask for that much validity, such as 5m, 90s or 1h.", valueName: "duration"))
    var minValid: LifetimeArgument?

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The program and its arguments, behind --.", valueName: "cmd")
    )
    var command: [String] = []

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    /// What `env(1)` exits with where it fails itself.
    private static let ownFailure: Int32 = 125

    func validate() throws {
        if global.json { throw ValidationError("the output is the program's; leave out --json") }
        if variables.isEmpty { throw ValidationError("--env VAR=NAME is missing") }
        if command.isEmpty { throw ValidationError("the program is missing; it stands behind --") }
    }

    func run() async throws {
        let inherited = OpenDescriptors.now
        do throws(VaultError) {
            let environment = try await environment()
            let failure = environment.become(command, keeping: inherited)
            Self.end(cannotRun: command[0], failure)
        } catch {
            Self.end(error)
        }
    }

    /// The environment of the program, once every token is there.
    private func environment() async throws(VaultError) -> ProgramEnvironment {
        let wanted = try variables.map { (text) throws(VaultError) in try VariableArgument(text) }
        var seen: Set<String> = []
        for variable in wanted where !seen.insert(variable.name).inserted {
            throw VaultError(.usage, "--env gives \(variable.name) twice")
        }
        for variable in wanted where variable.name.hasPrefix("LD_") {
            // ld.so(8) prints what it finds there and cannot use.
            throw VaultError(.usage, "\(variable.name) is the dynamic linker's, which is no place for a secret")
        }
        let context = try Context(global)
        let broker = try await context.broker(connection)
        var requirements = TokenRequirements(began: ProcessTimes.began)
        requirements.minimumValiditySeconds = minValid?.seconds ?? 0
        var tokens: [EntryName: SecretText] = [:]
        var environment = ProgramEnvironment()
        for variable in wanted {
            if tokens[variable.entry] == nil {
                let token = try await broker.token(for: variable.entry, requirements, .accessToken)
                try token.requireUnbound(variable.entry)
                for note in token.notes { context.note(note) }
                tokens[variable.entry] = token.value
            }
            guard let token = tokens[variable.entry] else { continue }
            guard token.withUnsafeBytes({ !$0.contains(0) }) else {
                throw VaultError(.unsafe, "\(variable.entry) holds a NUL, which no environment variable can hold")
            }
            environment.set(variable.name, token)
        }
        return environment
    }

    /// Says what failed, with the code that any other command would have exited with, and ends.
    static func end(_ error: VaultError) -> Never {
        Diagnostics.report(
            VaultError(
                error.code,
                "\(error.message) (exit \(error.code.exitStatus) of vault)",
                hint: error.hint,
                underlying: error.underlying
            )
        )
        Glibc.exit(ownFailure)
    }

    /// Says that the program could not be started, and ends as env(1) does.
    static func end(cannotRun program: String, _ failure: Int32) -> Never {
        Diagnostics.report(
            VaultError(.failed, "cannot run \(program): \(String(cString: strerror(failure)))")
        )
        Glibc.exit(failure == ENOENT ? 127 : 126)
    }
}

/// `VAR=NAME` on the command line.
private struct VariableArgument {
    let name: String
    let entry: EntryName

    init(_ text: String) throws(VaultError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else {
            throw VaultError(.usage, "--env \(text) has no =; it must be VAR=NAME")
        }
        guard let first = parts[0].utf8.first, !Self.isDigit(first),
            parts[0].utf8.allSatisfy({ Self.isLetter($0) || Self.isDigit($0) || $0 == UInt8(ascii: "_") })
        else {
            throw VaultError(
                .usage,
                "“\(parts[0])” is no name of a variable: letters, digits and _, no digit first"
            )
        }
        name = parts[0]
        entry = try EntryName(parsing: parts[1])
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (byte | 0x20) >= UInt8(ascii: "a") && (byte | 0x20) <= UInt8(ascii: "z")
    }
}

extension GivenToken {
    /// Refuses a token that is worth nothing to whoever holds no key.
    func requireUnbound(_ name: EntryName) throws(VaultError) {
        guard type == "DPoP" else { return }
        throw VaultError(
            .unsafe,
            "\(name) is bound to a key that does not leave the vault: its token alone is worth nothing",
            hint: "vault proxy \(name.name) --to URL puts it into requests"
        )
    }
}
