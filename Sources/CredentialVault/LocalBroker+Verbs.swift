internal import KeyCustody
package import TokenBroker
internal import TokenImport
package import VaultAPI
internal import VaultCore
internal import VaultCrypto

extension LocalBroker: VaultBroker {
    package nonisolated func token(
        for name: EntryName,
        _ requirements: TokenRequirements,
        _ part: TokenPart
    ) async throws(VaultError) -> GivenToken {
        try await token(for: name, requirements, part, handOut)
    }

    /// The same for another caller.
    nonisolated func token(
        for name: EntryName,
        _ requirements: TokenRequirements,
        _ part: TokenPart,
        _ handOut: HandOut
    ) async throws(VaultError) -> GivenToken {
        let need = TokenNeed(requirements, now: clock.now)
        let token = try await ungatedToken(for: name, need) { (entry) throws(VaultError) in
            try await handOut.admit(entry, in: vault)
        }
        let summary = token.summary
        let value = try await value(of: token, part)
        let kind: AuditEvent.Kind = part == .idToken ? .idToken : name.kind == .static ? .secret : .token
        let failure = await handOut.record(kind, of: summary, in: vault)
        return GivenToken(
            value: value,
            type: summary.tokenType ?? "Bearer",
            expiresAt: summary.expiresAt,
            state: summary.state.word,
            notes: token.notes + (failure.map { [$0] } ?? [])
        )
    }

    private nonisolated func value(of token: FreshToken, _ part: TokenPart) async throws(VaultError) -> SecretText {
        guard part == .idToken else {
            return token.value.withSecret { $0.withUnsafeBytes { SecretText(copying: $0) } }
        }
        let name = token.summary.name
        let found = try await vault.read(name).secrets.withField(.idToken) { SecretText(copying: $0) }
        guard let found else {
            throw VaultError(.notFound, "\(name) holds no id token", hint: "vault show \(name) tells what it holds")
        }
        return found
    }

    package nonisolated func list() async throws(VaultError) -> Listing { try await vault.list() }

    package nonisolated func summary(of name: EntryName) async throws(VaultError) -> EntrySummary {
        try await vault.summary(of: name)
    }

    package nonisolated func put(_ name: EntryName, _ secret: SecretText) async throws(VaultError) -> EntrySummary {
        guard name.kind == .static else {
            throw VaultError(
                .usage,
                "\(name) is a grant; only static: entries can be set",
                hint: "use static:\(name.name)"
            )
        }
        let secrets = try secret.withUnsafeBytes { (bytes) throws(VaultError) in try EntrySecrets.holding(bytes) }
        var summary = EntrySummary(name: name, createdAt: clock.now)
        summary.expiry = .never
        return try await vault.put(summary, secrets)
    }

    package nonisolated func rename(
        _ old: EntryName,
        to new: EntryName
    ) async throws(VaultError) -> EntrySummary {
        try await vault.rename(old, to: new)
    }

    package nonisolated func remove(_ name: EntryName) async throws(VaultError) { try await vault.remove(name) }

    package nonisolated func logout(
        _ name: EntryName,
        deletingAnyway: Bool
    ) async throws(VaultError) -> LogoutOutcome {
        let (result, isDeleted) = try await logout(name) { (_) throws(VaultError) in deletingAnyway }
        return LogoutOutcome(revocation: result, isDeleted: isDeleted)
    }

    package nonisolated func adopt(_ name: EntryName, takingOut: Bool) async throws(VaultError) -> AdoptOutcome {
        var summary = try await vault.summary(of: name)
        switch try await ToolRun.settle(summary, in: vault, now: clock.now) {
        case .live: throw VaultError.isRunning(summary)
        case .settled: summary = try await vault.summary(of: name)
        case .gone:
            // Nobody knows what became of the grant; whoever adopts it has been asked, or says so.
            try await ToolRun.forget(name, in: vault)
            summary = try await vault.summary(of: name)
        case nil: break
        }
        if summary.state == .held(.conflict) { throw LoginNeeded.conflict(summary) }
        var seen = summary.generation
        if summary.state == .held(.secondOwner) {
            switch try await takeOver(summary, takingOut: takingOut) {
            case .stillThere(let path): return .stillInFile(path: path)
            case .gone(let generation): seen = generation
            }
        }
        return .adopted(
            try await vault.update(name) { (summary, _) throws(VaultError) in
                guard case .held = summary.state else { return }
                // Its file may have been written since it was looked for.
                guard summary.generation == seen else {
                    throw VaultError(.temporary, "\(name) was changed meanwhile", hint: "try again")
                }
                // A server's refusals stand, whichever machine they were given to.
                summary.state = summary.keptState == .suspect ? .suspect : .active
                try vault.claim(&summary)
            }
        )
    }

    private enum TakeOver {
        case stillThere(path: String)
        /// No file holds the grant, as of this state of the entry.
        case gone(generation: UInt64)
    }

    /// Newer tokens of the file win; then the file must lose the grant, or two owners would log each other out.
    private nonisolated func takeOver(
        _ summary: EntrySummary,
        takingOut: Bool
    ) async throws(VaultError) -> TakeOver {
        let now = clock.now
        // The owner's newest refresh token counts, even if the access token beside it has run out: any other is spent.
        let keyring = Self.keyring(for: summary)
        _ = try await ImportPlan.reread(summary, into: vault, now: now, evenExpired: true, keyring: keyring)
        let current = try await vault.summary(of: summary.name)
        let copy = try await SourceFile.foreignCopy(of: current, in: vault, now: now, keyring: keyring)
        if let copy, !takingOut { return .stillThere(path: copy) }
        guard let source = current.source,
            try await SourceFile.stillHolds(current, in: vault, now: now, keyring: keyring)
        else { return .gone(generation: current.generation) }
        guard current.tokenEndpoint != nil, current.clientID != nil else {
            throw VaultError(
                .configuration,
                "\(current.name) does not say where, or by which client, it is refreshed, and \(source.path) is what its "
                    + "owner does that with; nothing was changed",
                hint: "vault import FILE --token-url URL --client-id ID, and then adopt it"
            )
        }
        guard takingOut else { return .stillThere(path: source.path) }
        // An item of another program is never changed: that its owner is done with it is for the user to say.
        if SourceFile.isForeignItem(current) { return .gone(generation: current.generation) }
        try await SourceFile.remove(current, from: vault, now: now)
        return .gone(generation: try await vault.summary(of: summary.name).generation)
    }
}

extension LocalBroker {
    /// The keyring, for an entry whose grant is or was there, and no other.
    fileprivate nonisolated static func keyring(for entry: EntrySummary) -> (any ForeignKeyring)? {
        SourceFile.needsKeyring(entry) ? KeyringClient() : nil
    }
}

extension EntrySecrets {
    /// A static secret alone.
    fileprivate static func holding(_ secret: UnsafeRawBufferPointer) throws(VaultError) -> EntrySecrets {
        do throws(CryptoError) {
            var secrets = try EntrySecrets()
            try secrets.set(.secret, to: try SecretBytes(copying: secret))
            return secrets
        } catch {
            throw VaultError(.unavailable, error.message)
        }
    }
}

extension SecondOwner {
    /// The plain file that an entry was imported from.
    package static let sourceFile = SecondOwner { (vault, entry, now) async throws(VaultError) -> Void in
        // A command that was cut off has left its file for whoever comes first.
        if case .settled = try await ToolRun.settle(entry, in: vault, now: now) { return }
        _ = try await ImportPlan.reread(entry, into: vault, now: now, keyring: LocalBroker.keyring(for: entry))
    }
}
