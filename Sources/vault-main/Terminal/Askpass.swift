internal import CVaultSystem
internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// Asks for a passphrase where there is no terminal: the program in `VAULT_ASKPASS` or `SSH_ASKPASS`, or pinentry.
struct Askpass {
    private enum Program {
        /// Takes the question as its argument and prints the answer.
        case askpass(String)
        /// Speaks the Assuan protocol on its standard streams.
        case pinentry(String)
    }

    private let program: Program

    /// `nil` where there is no such program, or no display for it.
    init?(environment: [String: String]) {
        for variable in ["VAULT_ASKPASS", "SSH_ASKPASS"] {
            if let path = environment[variable], !path.isEmpty {
                program = .askpass(path)
                return
            }
        }
        // pinentry without a display would look for a terminal, and there is none.
        guard environment["DISPLAY"] != nil || environment["WAYLAND_DISPLAY"] != nil,
            let path = Self.find("pinentry", in: environment["PATH"] ?? "")
        else { return nil }
        program = .pinentry(path)
    }

    /// Asks.
    ///
    /// - Throws: `.locked` if the program fails or the question is dismissed.
    func ask(_ question: String) throws(VaultError) -> SharedSecret {
        switch program {
        case .askpass(let path):
            let output = try run(path, arguments: [question], input: "")
            return SharedSecret(try SecretInput.withoutFinalNewline(output))
        case .pinentry(let path):
            let escaped = Self.escaped(question)
            let output = try run(path, arguments: [], input: "SETPROMPT Passphrase:\nSETDESC \(escaped)\nGETPIN\nBYE\n")
            return try Self.pin(in: output)
        }
    }

    /// Asks a question that is answered with yes or no.
    ///
    /// - Parameter started: Told the number of the program that asks.
    /// - Throws: `.locked` for no, for a question that is dismissed, and for a program that does not say yes.
    func confirm(_ question: String, started: (pid_t) -> Void) throws(VaultError) {
        switch program {
        case .askpass(let path):
            // As ssh-agent does: such programs show two buttons, and end with a status instead of printing anything.
            let more = ["SSH_ASKPASS_PROMPT": "confirm"]
            _ = try run(path, arguments: [question], input: "", more: more, started: started)
        case .pinentry(let path):
            let input = "SETTIMEOUT 60\nSETDESC \(Self.escaped(question))\nCONFIRM\nBYE\n"
            let output = try run(path, arguments: [], input: input, started: started)
            // One for the greeting and one for each of three commands: a program that dies has not said yes.
            let (agreed, refused) = output.withUnsafeBytes { bytes in
                let lines = bytes.split(separator: 10)
                let agreed = lines.count { $0.elementsEqual("OK".utf8) || $0.starts(with: "OK ".utf8) }
                return (agreed, lines.contains { $0.starts(with: "ERR".utf8) })
            }
            guard agreed >= 4, !refused else { throw VaultError(.locked, "the question was dismissed") }
        }
    }

    private static func escaped(_ text: String) -> String {
        text.map { $0 == "%" ? "%25" : ($0 == "\n" ? "%0A" : String($0)) }.joined()
    }

    /// The `D` line of an Assuan conversation, its percent escapes undone in secret memory.
    private static func pin(in output: borrowing SecretBytes) throws(VaultError) -> SharedSecret {
        do throws(CryptoError) {
            var pin = try SecretBuffer()
            let found = try output.withUnsafeBytes { (bytes) throws(CryptoError) -> Bool in
                for line in bytes.split(separator: 10) where line.starts(with: [UInt8(ascii: "D"), 32]) {
                    var index = line.startIndex + 2
                    while index < line.endIndex {
                        var byte = line[index]
                        if byte == UInt8(ascii: "%"), index + 2 < line.endIndex,
                            let high = hexDigit(line[index + 1]), let low = hexDigit(line[index + 2])
                        {
                            byte = high << 4 | low
                            index += 2
                        }
                        try pin.append(byte)
                        index += 1
                    }
                    return true
                }
                return false
            }
            guard found else { throw CryptoError(.malformed, "the question was dismissed") }
            return SharedSecret(try pin.finish())
        } catch {
            throw VaultError(.locked, error.message)
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(UnicodeScalar(byte)).hexDigitValue.map(UInt8.init)
    }

    private static func find(_ name: String, in path: String) -> String? {
        // A relative part would mean the current directory, which may be anybody's.
        path.split(separator: ":").filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Runs a program without a shell, with its standard error as ours.
    private func run(
        _ path: String,
        arguments: [String],
        input: String,
        more: [String: String] = [:],
        started: (pid_t) -> Void = { _ in }
    ) throws(VaultError) -> SecretBytes {
        var toChild: [Int32] = [-1, -1]
        var fromChild: [Int32] = [-1, -1]
        guard vault_pipe(&toChild) == 0, vault_pipe(&fromChild) == 0 else {
            throw VaultError(.unavailable, "no pipe for \(path)")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, toChild[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromChild[1], STDOUT_FILENO)
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var pointer = environ
        while let entry = pointer.pointee {
            variables.append(strdup(entry))
            pointer += 1
        }
        variables += more.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { variables.forEach { free($0) } }
        // The threads of a pool block all signals; a program that sets itself a deadline needs its alarm.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var pid: pid_t = 0
        let spawned = posix_spawn(&pid, path, &actions, &attributes, &argv, &variables)
        close(toChild[0])
        close(fromChild[1])
        guard spawned == 0 else {
            close(toChild[1])
            close(fromChild[0])
            throw VaultError(.locked, "cannot start \(path): \(String(cString: strerror(spawned)))")
        }
        started(pid)
        var input = input
        input.withUTF8 { _ = try? Output.write(UnsafeRawBufferPointer($0), to: toChild[1]) }
        close(toChild[1])
        defer { close(fromChild[0]) }
        var status: Int32 = 0
        let output: SecretBytes
        do {
            output = try SecretInput.readAll(fromChild[0], limit: 8192, "the answer of \(path)")
        } catch {
            kill(pid, SIGTERM)
            while waitpid(pid, &status, 0) < 0, errno == EINTR {}
            throw error
        }
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw VaultError(.locked, "\(path) gave no passphrase") }
        return output
    }
}
