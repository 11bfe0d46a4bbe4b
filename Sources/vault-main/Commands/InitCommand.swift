internal import ArgumentParser
internal import KeyCustody
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make the vault.",
        discussion: """
            Without --key the key is kept in the desktop's Secret Service if there is one that is usable, and else \
            under a passphrase. A recovery code is made too, unless you decline.
            """
    )

    @Option(
        help: ArgumentHelp(
            "secret-service, passphrase, secret-service+passphrase or key-file:PATH; may be repeated.",
            valueName: "kind"
        )
    )
    var key: [String] = []

    @Option(
        help: ArgumentHelp(
            "Where records are kept: sqlite, dir:PATH or etcd://HOST:PORT/PREFIX; by default what store.yaml names, or sqlite.",
            valueName: "url"
        )
    )
    var store: String?

    @Option(help: "How strong passphrase slots are made.")
    var kdf: DerivationChoice = .moderate

    @OptionGroup var recovery: RecoveryOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let address =
            if let store {
                try StoreAddress(parsing: store, home: context.environment["HOME"])
            } else {
                try context.location.storeAddress()
            }
        let delivery = try recovery.delivery(context)
        var slots: [NewSlot] = []
        for word in key { slots.append(try NewSlot(word, kdf)) }
        if slots.isEmpty { slots = [NewSlot(try await Self.defaultKind(context), derivation: kdf.parameters)] }
        if recovery.isWanted { slots.append(NewSlot(.recoveryCode)) }
        // Looked at before anybody is asked for a passphrase; `create` itself decides.
        try Self.requireSafe(context.location.directory)
        if try context.location.holdsVault() {
            throw VaultError(
                .failed,
                "\(context.location.directory): there is a vault here already, or something else in its place; it was left as it is",
                hint: store == nil
                    ? "vault status shows it; --vault DIR or --profile NAME makes another one"
                    : "vault store migrate --to \(address) moves it; --vault DIR or --profile NAME makes another one"
            )
        }
        let vault = try await Vault.create(
            context.location,
            in: address,
            slots: slots,
            custodians: context.custodians(recovery: delivery)
        )
        if context.json {
            try Output.print(
                .object([
                    ("directory", .string(context.location.directory)),
                    ("vault", .string(vault.id.description)),
                    ("slots", .array(vault.slots.map { .slot($0) })),
                ])
            )
        } else {
            let kinds = vault.slots.map(\.kind).joined(separator: ", ")
            context.note("made the vault \(context.location.directory); it opens with: \(kinds)")
        }
    }

    /// Refuses a link, a file or a directory that others can reach, where the vault's directory would be.
    private static func requireSafe(_ directory: String) throws(VaultError) {
        guard try FileStatusCheck.exists(directory) else { return }
        do throws(FileError) { try PrivateFiles.requireDirectory(directory) } catch { throw VaultError(error) }
    }

    private static func defaultKind(_ context: Context) async throws(VaultError) -> SlotKind {
        do throws(KeyringError) {
            let state = try await context.keyring.probe(interactive: context.isInteractive)
            if state.isUsable { return .secretService }
            context.note(
                "no Secret Service to use (\(state.obstacle?.message ?? "unknown")); the key is kept under a passphrase"
            )
        } catch {
            context.note("no Secret Service to use (\(error.message)); the key is kept under a passphrase")
        }
        return .passphrase
    }
}

/// What becomes of a new recovery code.
struct RecoveryOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write the recovery code to this new file.", valueName: "file"))
    var recoveryCodeFile: String?

    @Flag(help: "Make no recovery code.")
    var noRecoveryCode = false

    var isWanted: Bool { !noRecoveryCode }

    func delivery(_ context: Context) throws(VaultError) -> RecoveryDelivery {
        if recoveryCodeFile != nil, noRecoveryCode {
            throw VaultError(.usage, "--recovery-code-file and --no-recovery-code contradict each other")
        }
        if let recoveryCodeFile {
            guard try !FileStatusCheck.exists(recoveryCodeFile) else {
                throw VaultError(
                    .unsafe,
                    "\(recoveryCodeFile) exists; a recovery code overwrites nothing",
                    hint: "name a new file with --recovery-code-file"
                )
            }
            return .file(recoveryCodeFile)
        }
        guard noRecoveryCode || context.isInteractive else {
            throw VaultError(
                .usage,
                "a recovery code has to be shown, and there is nobody to show it to",
                hint: "add --recovery-code-file FILE or --no-recovery-code"
            )
        }
        return .terminal
    }
}

/// Looks whether something is there, links not followed.
enum FileStatusCheck {
    static func exists(_ path: String) throws(VaultError) -> Bool {
        do throws(FileError) { return try FileStatus.of(path) != nil } catch { throw VaultError(error) }
    }
}

extension DerivationChoice {
    var parameters: PasswordHash {
        switch self {
        case .interactive: .interactive
        case .moderate: .moderate
        case .sensitive: .sensitive
        }
    }
}

extension NewSlot {
    /// Reads what `--key` takes.
    init(_ word: String, _ derivation: DerivationChoice) throws(VaultError) {
        let prefix = "key-file:"
        if word.hasPrefix(prefix), word.count > prefix.count {
            let path = VaultLocation.absolute(String(word.dropFirst(prefix.count)))
            self.init(.keyFile, derivation: derivation.parameters, keyFile: path)
            return
        }
        guard let kind = SlotKind(name: word), kind != .keyFile else {
            throw VaultError(
                .usage,
                "there is no kind of key \(word)",
                hint: "use secret-service, passphrase, secret-service+passphrase, recovery-code or key-file:PATH"
            )
        }
        self.init(kind, derivation: derivation.parameters)
    }
}
