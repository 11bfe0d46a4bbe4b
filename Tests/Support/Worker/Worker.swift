internal import Glibc
internal import KeyCustody
internal import OAuthFlows
internal import Synchronization
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// What the fault tests do to a vault from many processes at once, through the library that the command uses too.
///
/// Every line that reports a change is written after the call that made it has returned: it is an acknowledgement.
///
///     vault-test-worker dump                      every entry with its secrets, one line each
///     vault-test-worker count NAME TIMES [reopen] add one to a number kept in the entry, TIMES times
///     vault-test-worker add NAME                  add one, again and again, until the input ends; the store may be away
///     vault-test-worker write PREFIX SEED         insert and update entries until killed or the input ends
///     vault-test-worker rotate                    make new data keys until killed or the input ends
///     vault-test-worker watch NAME…               list and read those entries until the input ends
///     vault-test-worker hold NAME                 keep the entry's secrets until a line of input
///     vault-test-worker data-key                  print the vault's data key in hexadecimal
///     vault-test-worker tokens NAME [BROKERS]     ask a broker for a token at each line of input (`Tokens.swift`)
@main
enum Worker {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            switch arguments.first {
            case "dump": try await dump()
            case "count": try await count(arguments[1], Int(arguments[2]) ?? 0, reopens: arguments.count > 3)
            case "add": try await add(arguments[1])
            case "write": try await write(arguments[1], UInt64(arguments[2]) ?? 0)
            case "rotate": try await rotate()
            case "watch": try await watch(arguments.dropFirst().map { try EntryName(parsing: $0) })
            case "hold": try await hold(try EntryName(parsing: arguments[1]))
            case "data-key": say(hexadecimal(try await open().withDataKey { $0.withUnsafeBytes { Array($0) } }))
            case "tokens":
                try await tokens(
                    try EntryName(parsing: arguments[1]),
                    brokers: arguments.count > 2 ? Int(arguments[2]) ?? 1 : 1
                )
            default:
                throw VaultError(.usage, "vault-test-worker dump|count|add|write|rotate|watch|hold|data-key|tokens")
            }
        } catch let error as VaultError {
            say("error \(error.code.exitStatus) \(error.message)")
            exit(error.code.exitStatus)
        } catch {
            say("error 1 \(error)")
            exit(1)
        }
        exit(0)
    }

    static func open() async throws -> Vault {
        var environment: [String: String] = [:]
        let directories = ["DATA_HOME", "STATE_HOME", "CONFIG_HOME", "CACHE_HOME", "RUNTIME_DIR"].map { "XDG_" + $0 }
        for name in ["HOME", "VAULT_DIR"] + directories {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        // Never the home of whoever runs the tests.
        guard environment["HOME"] != nil, environment["XDG_STATE_HOME"] != nil else {
            throw VaultError(.usage, "HOME and XDG_STATE_HOME must be set")
        }
        let custodians = CustodianSet(
            asking: { _ throws(CustodyError) in throw CustodyError(.locked, "nobody is asked here") },
            keyring: KeyringClient(),
            isInteractive: false
        )
        return try await Vault.open(try VaultLocation.standard(environment: environment), with: custodians)
    }

    private static func dump() async throws {
        let vault = try await open()
        let listing = try await vault.list()
        try listing.requireSound()
        for summary in listing.entries {
            let entry = try await vault.read(summary.name)
            var fields: [String] = []
            for field in EntrySecrets.Field.allCases {
                let value = entry.secrets.withField(field) { String(decoding: $0, as: UTF8.self) }
                if let value { fields.append("\(field.word)=\(value)") }
            }
            let metadata = entry.summary.metadata.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }
            let state = [entry.summary.state.word, entry.summary.state.reason ?? ""].joined(separator: "/")
            say("\(summary.name) \(state) \(metadata.joined(separator: ",")) \(fields.joined(separator: " "))")
        }
    }

    private static func count(_ name: String, _ times: Int, reopens: Bool) async throws {
        let name = try EntryName(parsing: name)
        var vault = try await open()
        for _ in 0..<times {
            if reopens { vault = try await open() }
            let written = try await vault.update(name) { (summary, _) throws(VaultError) in
                summary.metadata["count"] = String((Int(summary.metadata["count"] ?? "0") ?? 0) + 1)
            }
            say("counted \(written.metadata["count"] ?? "nothing")")
        }
    }

    /// Adds one again and again, and goes on after what a store that is away for a while may rightly say.
    ///
    /// What failed may have been written all the same: nobody can tell whose answer was lost. What was acknowledged is
    /// there, and once.
    private static func add(_ name: String) async throws {
        let name = try EntryName(parsing: name)
        let vault = try await open()
        let ends = endOfInput()
        while !ends.isReached {
            say("adding")
            do throws(VaultError) {
                let written = try await vault.update(name) { (summary, _) throws(VaultError) in
                    summary.metadata["count"] = String((Int(summary.metadata["count"] ?? "0") ?? 0) + 1)
                }
                say("counted \(written.metadata["count"] ?? "nothing")")
            } catch {
                guard error.code == .unavailable || error.code == .temporary else { throw error }
                say("failed \(error.code.exitStatus) \(error.message)")
            }
        }
    }

    /// A few entries of its own, in turn; no value comes twice.
    ///
    /// What a store that is away refused may be there all the same, as in `add`.
    private static func write(_ prefix: String, _ seed: UInt64) async throws {
        let vault = try await open()
        let ends = endOfInput()
        var number = 0
        while !ends.isReached {
            number += 1
            let name = try EntryName(.static, "\(prefix)-\(number % 8)")
            let value = "\(prefix)/\(number)/\(seed)"
            say("writing \(name) \(value)")
            var summary = EntrySummary(name: name, createdAt: Timestamp.systemNow)
            summary.expiry = .never
            var secrets = try EntrySecrets()
            try secrets.set(.secret, to: try SecretBytes(Array(value.utf8)))
            do throws(VaultError) {
                try await vault.put(summary, secrets)
                say("wrote \(name) \(value)")
            } catch {
                guard error.code == .unavailable || error.code == .temporary else { throw error }
                say("failed \(error.code.exitStatus) \(error.message)")
            }
        }
    }

    private static func rotate() async throws {
        let ends = endOfInput()
        while !ends.isReached {
            let vault = try await open()
            do throws(VaultError) {
                let prepared = try await vault.prepareRotation()
                guard prepared.lost.isEmpty else { throw VaultError(.failed, "a slot would be lost") }
                say("rotating")
                try await vault.rotate(prepared, issuesRecoveryCode: false)
            } catch {
                // Another one was at it: that one rotates.
                guard error.code == .unavailable else { throw error }
                say("busy \(error.message)")
                continue
            }
            say("rotated")
        }
    }

    private static func watch(_ names: [EntryName]) async throws {
        let ends = endOfInput()
        var rounds = 0
        while !ends.isReached {
            let vault = try await open()
            for _ in 0..<4 {
                let listing = try await vault.list()
                try listing.requireSound()
                let found = Set(listing.entries.map(\.name))
                for name in names where !found.contains(name) {
                    throw VaultError(.notFound, "\(name) is not in the list")
                }
                for name in names {
                    let entry = try await vault.read(name)
                    let state = entry.summary.state
                    guard state == .active else {
                        throw VaultError(.failed, "\(name) is \(state.word) \(state.reason ?? "")")
                    }
                }
            }
            rounds += 1
            say("round \(rounds)")
        }
    }

    private static func hold(_ name: EntryName) async throws {
        let vault = try await open()
        var secrets: [SharedSecret] = []
        let entry = try await vault.read(name)
        for field in EntrySecrets.Field.allCases {
            let copy = try entry.secrets.withField(field) { SharedSecret(try SecretBytes(copying: $0)) }
            if let copy { secrets.append(copy) }
        }
        try release(entry)
        say("holding \(secrets.count)")
        _ = readLine()
        secrets.removeAll()
        say("released")
        _ = readLine()
    }

    private static func release(_ entry: consuming OpenedEntry) throws {
        guard entry.summary.id.bytes.count == 16 else { throw VaultError(.failed, "an entry without an id") }
    }

    /// Becomes true when the other end of standard input is closed.
    private static func endOfInput() -> EndOfInput {
        let end = EndOfInput()
        var thread = pthread_t()
        let context = Unmanaged.passRetained(end).toOpaque()
        pthread_create(
            &thread,
            nil,
            { context in
                var byte: UInt8 = 0
                while read(STDIN_FILENO, &byte, 1) > 0 {}
                if let context { Unmanaged<EndOfInput>.fromOpaque(context).takeRetainedValue().reach() }
                return nil
            },
            context
        )
        return end
    }

    static func say(_ line: String) {
        var line = line + "\n"
        line.withUTF8 { bytes in _ = Glibc.write(STDOUT_FILENO, bytes.baseAddress, bytes.count) }
    }
}

/// Whether standard input has ended.
private final class EndOfInput: Sendable {
    private let value = Atomic(false)

    func reach() { value.store(true, ordering: .relaxed) }

    var isReached: Bool { value.load(ordering: .relaxed) }
}
