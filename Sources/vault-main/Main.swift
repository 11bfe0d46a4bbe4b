internal import ArgumentParser
internal import CVaultSystem
@preconcurrency internal import Dispatch
internal import Glibc
internal import Synchronization
internal import VaultAPI

/// Entry point: hardens the process, finds the command, and turns every error into a sentence, a hint and a status.
@main
enum Main {
    static func main() async {
        StandardStreams.occupy()
        vault_remember_start()
        // Before anything secret is in memory: no core dumps, no tracing by the same user.
        _ = vault_forbid_dumps()
        vault_forbid_backtraces()
        // A reader that goes away is an error of that write, not the end of a commit.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow is an error of that write too (EFBIG).
        signal(SIGXFSZ, SIG_IGN)
        // Between a refresh's request and its commit, the signals that end a process wait.
        vault_gate_signals()
        let arguments = ArgumentOrder.globalsLast(DockerHelper.arguments(CommandLine.arguments))
        do {
            var command = try VaultCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as VaultError {
            Diagnostics.report(error)
            exit(error.code.exitStatus)
        } catch {
            let code = VaultCommand.exitCode(for: error)
            // Help, the version and completion scripts come this way too.
            if code.isSuccess { VaultCommand.exit(withError: error) }
            let error = usageError(error, code)
            let runners = [ExecCommand.configuration.commandName, RunCommand.configuration.commandName]
            if runners.contains(arguments.first) { ExecCommand.end(error) }
            Diagnostics.report(error)
            exit(code.rawValue)
        }
        exit(0)
    }

    /// What the parser says, in the manner of everything else.
    private static func usageError(_ error: any Error, _ code: ExitCode) -> VaultError {
        let sentence = VaultCommand.message(for: error).split(separator: "\n").joined(separator: "; ")
        // Its last line is: See 'vault token --help' for more information.
        let parts = VaultCommand.fullMessage(for: error).split(separator: "See '").last?.split(separator: "'")
        let help = parts?.first.map(String.init).flatMap { $0.hasSuffix("--help") ? $0 : nil }
        return VaultError(code.rawValue == VaultError.Code.usage.exitStatus ? .usage : .failed, sentence, hint: help)
    }
}

/// Standard input, output and error.
enum StandardStreams {
    /// Puts something harmless behind those that are closed.
    ///
    /// Otherwise the next file that is opened gets their number: a secret meant for standard output would be written
    /// into a database. What stands there now fails on every use.
    static func occupy() {
        for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)] {
            guard fcntl(descriptor, F_GETFD) < 0 else { continue }
            // In order, so that each gets the lowest free number, its own.
            guard vault_open("/dev/null", mode, 0) == descriptor else { exit(VaultError.Code.unavailable.exitStatus) }
        }
    }
}

/// What goes to standard error beside the data.
enum Diagnostics {
    /// `vault: error: …`, and `vault: hint: …` where something can be done.
    static func report(_ error: VaultError) {
        write("vault: error: \(oneLine(error.message))\n")
        // Scripts and people rely on it: who is told "locked" is told what to do.
        let fallbacks: [VaultError.Code: String] = [
            .locked: "run it in a terminal, or give --passphrase-file FILE", .loginRequired: "vault login NAME",
        ]
        if let hint = error.hint ?? fallbacks[error.code] {
            write("vault: hint: \(oneLine(TypedCommand.inSameVault(hint)))\n")
        }
    }

    static func note(_ text: String) { write("vault: note: \(oneLine(TypedCommand.inSameVault(text)))\n") }

    static func warn(_ text: String) { write("vault: warning: \(oneLine(text))\n") }

    /// Nothing that came from a file, a server or an option reaches the terminal as a control sequence.
    static func oneLine(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isPrintable(scalar) {
                shown.append(scalar)
            } else {
                shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            }
        }
        return String(shown)
    }

    /// Whether a terminal shows it as itself, and nothing else happens.
    static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }

    /// How many lines wait for whoever reads standard error, once nobody waits for them; further ones are dropped.
    private static let longestBacklog = 64
    private static let backlog = Mutex<Int?>(nil)
    private static let background = DispatchQueue(label: "vault.diagnostics")

    /// From now on writes on a thread of its own, which a reader that stops reading holds up alone.
    static func neverWait() { backlog.withLock { $0 = $0 ?? 0 } }

    static func write(_ text: String) {
        let isWaiting = backlog.withLock { backlog -> Bool? in
            guard let waiting = backlog else { return nil }
            guard waiting < longestBacklog else { return false }
            backlog = waiting + 1
            return true
        }
        switch isWaiting {
        case nil: writeNow(text)
        case true?:
            background.async {
                writeNow(text)
                backlog.withLock { $0 = $0.map { $0 - 1 } }
            }
        case false?: break
        }
    }

    private static func writeNow(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            _ = try? Output.write(UnsafeRawBufferPointer(bytes), to: STDERR_FILENO)
        }
    }
}
