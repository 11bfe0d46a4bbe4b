internal import Glibc
internal import KeyCustody
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// What a command needs of the world: where the vault is, who can be asked, and how loudly to speak.
struct Context: Sendable {
    let environment: [String: String]
    let location: VaultLocation
    let json: Bool
    let quiet: Bool
    let verbose: Bool
    /// Whether nobody may be asked anything.
    let noInput: Bool
    private let passphraseFile: String?
    private let passphraseDescriptor: Int32?
    private let slot: String?
    private let allowsMemoryPressure: Bool
    /// Where a new passphrase comes from; `nil` where it is the vault's first one, and `--passphrase-file` means it.
    private let newPassphrase: NewPassphrase?

    /// Where a passphrase beside the one that opens the vault comes from.
    private struct NewPassphrase: Sendable {
        var file: String?
    }

    /// A context for a command that makes another passphrase slot.
    init(_ options: GlobalOptions, newPassphraseFile: String?) throws(VaultError) {
        try self.init(options, NewPassphrase(file: newPassphraseFile))
    }

    init(_ options: GlobalOptions) throws(VaultError) { try self.init(options, nil) }

    private init(_ options: GlobalOptions, _ newPassphrase: NewPassphrase?) throws(VaultError) {
        self.newPassphrase = newPassphrase
        environment = Self.processEnvironment()
        location = try VaultLocation.standard(
            directory: options.directory,
            profile: options.profile,
            environment: environment
        )
        json = options.json
        quiet = options.quiet
        verbose = options.verbose
        noInput = options.noInput
        passphraseFile =
            options.passphraseFile ?? environment["VAULT_PASSPHRASE_FILE"].flatMap { $0.isEmpty ? nil : $0 }
        passphraseDescriptor = options.passphraseDescriptor
        slot = options.slot
        allowsMemoryPressure = options.allowMemory
        if !MemoryLocking.works, options.verbose {
            Diagnostics.warn("memory cannot be locked (ulimit -l): keys could reach a swap device")
        }
    }

    /// Whether a person at a terminal can be asked.
    var isInteractive: Bool { !noInput && Terminal.isPresent }

    /// Whether the vault is to be opened with one slot and no other.
    var namesSlot: Bool { slot != nil }

    /// Whether a passphrase was given without asking.
    var hasPassphraseOption: Bool { passphraseFile != nil || passphraseDescriptor != nil }

    /// What passphrase slots may cost.
    var derivationLimits: DerivationLimits {
        var limits = DerivationLimits()
        limits.allowsMemoryPressure = allowsMemoryPressure
        return limits
    }

    /// The keyring's client; one for the whole command, so that a silent keyring is waited for once.
    let keyring = KeyringClient()

    /// Everybody who may be able to open the vault.
    ///
    /// - Parameter recovery: What becomes of a new recovery code.
    func custodians(recovery: RecoveryDelivery = .terminal, asksNobody: Bool = false) -> CustodianSet {
        let onlyOptions = asksNobody || noInput
        return CustodianSet(
            asking: { [self] purpose throws(CustodyError) in try passphrase(purpose, onlyOptions: onlyOptions) },
            keyring: keyring,
            keyringLabel: "vault: key for \(location.directory)",
            isInteractive: !asksNobody && isInteractive,
            limits: derivationLimits,
            showRecoveryCode: { code throws(CustodyError) in try recovery.deliver(code) }
        )
    }

    /// Opens the vault.
    ///
    /// - Parameter offersReplacement: Whether to offer a new slot for one whose key the keyring has lost.
    func open(
        recovery: RecoveryDelivery = .terminal,
        acceptsRollback: Bool = false,
        offersReplacement: Bool = true
    ) async throws(VaultError) -> Vault {
        var options = Vault.Options()
        options.slot = slot
        options.acceptsRollback = acceptsRollback
        let vault = try await Vault.open(location, with: custodians(recovery: recovery), options: options)
        if verbose, let slot = vault.openedBy { Diagnostics.note("opened with the slot \(slot.prefix(8))") }
        if let away = vault.storeNote { note(away) }
        if offersReplacement { await offerToReplace(vault.deadSlots, of: vault) }
        return vault
    }

    /// Opens the vault to copy it, also where it was moved away: something may have come there since.
    func openToCopy() async throws(VaultError) -> Vault {
        do {
            return try await open()
        } catch {
            guard error.isVaultMoved else { throw error }
            note("\(error.message); what is in it is copied")
            return try await openForMove()
        }
    }

    /// Opens the vault to move it, also where a move was broken off.
    func openForMove() async throws(VaultError) -> Vault {
        var options = Vault.Options()
        options.slot = slot
        return try await Vault.openForMove(location, with: custodians(), options: options)
    }

    /// Makes the vault's directory stand for a store that exists, and opens the vault in it.
    func use(_ address: StoreAddress) async throws(VaultError) -> Vault {
        var options = Vault.Options()
        options.slot = slot
        return try await Vault.use(address, at: location, with: custodians(), options: options)
    }

    /// Puts a new key into the keyring in the place of one that it has lost, if the user wants that.
    private func offerToReplace(_ dead: [String], of vault: Vault) async {
        for slot in dead {
            let name = String(slot.prefix(8))
            guard isInteractive, let terminal = Terminal() else {
                note("the keyring has lost the key of slot \(name); vault key change \(name) makes a new one")
                continue
            }
            defer { terminal.close() }
            guard terminal.confirm("The keyring has lost the key of slot \(name). Replace the slot by a new one?")
            else {
                continue
            }
            do throws(VaultError) {
                let new = try await vault.changeSlot(slot)
                note("slot \(name) was replaced by \(new.id.prefix(8))")
            } catch {
                Diagnostics.warn("the slot \(name) was not replaced: \(error.message)")
            }
        }
    }

    /// A passphrase for the vault: given by an option, typed, or asked for by a program.
    func passphrase(_ purpose: PassphrasePurpose, onlyOptions: Bool) throws(CustodyError) -> SharedSecret {
        do throws(VaultError) {
            switch purpose {
            case .open:
                return try secret(
                    file: passphraseFile,
                    descriptor: passphraseDescriptor,
                    onlyOptions: onlyOptions,
                    question: "Passphrase or recovery code for \(location.directory): ",
                    confirmation: nil
                )
            case .enroll:
                // For one more passphrase, the file that opens the vault is only meant where nobody can be asked.
                let asks = newPassphrase != nil && !onlyOptions && Terminal.isPresent
                return try secret(
                    file: newPassphrase?.file ?? (asks ? nil : passphraseFile),
                    descriptor: newPassphrase?.file != nil || asks ? nil : passphraseDescriptor,
                    onlyOptions: onlyOptions,
                    question: "New passphrase: ",
                    confirmation: "The same again: "
                )
            }
        } catch {
            throw CustodyError(asking: error)
        }
    }

    /// The passphrase of a backup file, which is its own.
    func backupPassphrase(file: String?, isNew: Bool) throws(VaultError) -> SharedSecret {
        if file == nil, noInput || !Terminal.isPresent, hasPassphraseOption {
            note("the backup has the passphrase given for the vault; --backup-passphrase-file gives it another")
            return try secret(
                file: passphraseFile,
                descriptor: passphraseDescriptor,
                onlyOptions: true,
                question: "",
                confirmation: nil
            )
        }
        return try secret(
            file: file,
            descriptor: nil,
            onlyOptions: noInput,
            question: isNew ? "New passphrase for the backup: " : "Passphrase of the backup: ",
            confirmation: isNew ? "The same again: " : nil
        )
    }

    private func secret(
        file: String?,
        descriptor: Int32?,
        onlyOptions: Bool,
        question: String,
        confirmation: String?
    ) throws(VaultError) -> SharedSecret {
        if let descriptor { return try DescriptorPassphrase.read(descriptor) }
        if let file { return try SecretInput.passphrase(file: file, quiet: quiet) }
        guard !onlyOptions else {
            throw VaultError(
                .locked,
                "a passphrase is needed, and asking is not allowed",
                hint: "leave out --no-input, or give --passphrase-file FILE"
            )
        }
        if let terminal = Terminal() {
            defer { terminal.close() }
            let first = try terminal.readHidden(question)
            guard let confirmation else { return first }
            let second = try terminal.readHidden(confirmation)
            guard first.withSecret({ first in second.withSecret { $0.equals(first) } }) else {
                throw VaultError(.usage, "the two passphrases differ; nothing was changed", hint: "run it again")
            }
            return first
        }
        guard let askpass = Askpass(environment: environment) else {
            throw VaultError(
                .locked,
                "a passphrase is needed, and there is no terminal to ask at",
                hint: "run it in a terminal, set VAULT_ASKPASS, or give --passphrase-file FILE"
            )
        }
        return try askpass.ask(question)
    }

    /// Asks before something is changed for good.
    ///
    /// - Throws: `.locked` where nobody can be asked, or the answer is no.
    func confirm(_ question: String, _ options: ConfirmationOptions) throws(VaultError) {
        if options.yes { return }
        guard !noInput, let terminal = Terminal() else {
            throw VaultError(
                .locked,
                "\(question) There is nobody to ask; nothing was changed",
                hint: TypedCommand.with("--yes")
            )
        }
        defer { terminal.close() }
        guard terminal.confirm(question) else {
            throw VaultError(
                .locked,
                "not confirmed; nothing was changed",
                hint: "to skip the question: \(TypedCommand.with("--yes"))"
            )
        }
    }

    /// Says of which entries a sync tool has left several versions.
    func warnOfVersions(_ entries: [EntrySummary]) {
        let contested = entries.filter { $0.state == .held(.conflict) }.map(\.name.description)
        guard !contested.isEmpty else { return }
        Diagnostics.warn(
            "there are several versions of \(contested.joined(separator: ", ")); vault store conflicts shows them, and "
                + "vault store resolve NAME chooses one"
        )
    }

    /// A remark for people, not for scripts.
    func note(_ text: String) {
        if !quiet { Diagnostics.note(text) }
    }

    private static func processEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        var pointer = environ
        while let entry = pointer.pointee {
            let text = String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            pointer += 1
        }
        return variables
    }
}

extension CustodyError {
    /// Why there is no passphrase.
    init(asking error: VaultError) {
        let code: Code = error.code == .interrupted ? .interrupted : .locked
        self.init(code, error.message, hint: error.hint, underlying: error)
    }
}
