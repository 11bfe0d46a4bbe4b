internal import ArgumentParser
internal import CVaultSystem
internal import Glibc
internal import VaultAPI

/// Entry point: hardens the process, finds the command, and turns every error into a sentence, a hint and a status.
@main
enum Main {
    static func main() async {
        // Before anything secret is in memory: no core dumps, no tracing by the same user.
        _ = vault_forbid_dumps()
        vault_forbid_backtraces()
        // A reader that goes away is an error of that write, not the end of a commit.
        signal(SIGPIPE, SIG_IGN)
        let arguments = ArgumentOrder.globalsLast(Array(CommandLine.arguments.dropFirst()))
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
            VaultCommand.exit(withError: error)
        }
        exit(0)
    }
}

/// What goes to standard error beside the data.
enum Diagnostics {
    /// `vault: error: …`, and `vault: hint: …` where something can be done.
    static func report(_ error: VaultError) {
        write("vault: error: \(oneLine(error.message))\n")
        if let hint = error.hint { write("vault: hint: \(oneLine(hint))\n") }
    }

    static func note(_ text: String) { write("vault: note: \(oneLine(text))\n") }

    static func warn(_ text: String) { write("vault: warning: \(oneLine(text))\n") }

    /// Nothing that came from a file, a server or an option reaches the terminal as a control sequence.
    static func oneLine(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isUnprintable(scalar) {
                shown.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            } else {
                shown.append(scalar)
            }
        }
        return String(shown)
    }

    /// Whether a terminal could act on a character, or show it as nothing.
    static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }

    static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            _ = try? Output.write(UnsafeRawBufferPointer(bytes), to: STDERR_FILENO)
        }
    }
}
