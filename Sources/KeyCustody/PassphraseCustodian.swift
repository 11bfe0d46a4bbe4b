internal import Synchronization
public import VaultCrypto

/// Opens with a passphrase, through Argon2id with the slot's own parameters.
///
/// It asks once: what was typed is tried on every slot, and remembered (in secret memory) as long as the custodian
/// lives, so that a rotation by another process does not ask again.
public final class PassphraseCustodian: KeyCustodian {
    private let source: PassphraseSource
    private let limits: DerivationLimits
    private let state = Mutex(State())

    private struct State {
        var typed: SharedSecret?
        /// Somebody who has refused once is not asked again for the next slot.
        var refusal: CustodyError?
        var costs: [[UInt8]: UInt64] = [:]
    }

    /// A custodian that asks `source`.
    public init(asking source: @escaping PassphraseSource, limits: DerivationLimits = DerivationLimits()) {
        self.source = source
        self.limits = limits
    }

    /// Asks for a new passphrase.
    public func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        let passphrase = try await source(.enroll)
        guard passphrase.count > 0 else {
            throw CustodyError(.malformed, "an empty passphrase protects nothing", hint: "choose another one")
        }
        let root = try derive(passphrase, slot)
        state.withLock { $0.typed = passphrase }
        return root
    }

    /// The root from the passphrase, which is asked for if it has not been.
    public func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
        // The bounds come first: nobody types a passphrase for a slot that will not be tried.
        try limits.check(slot.description.derivation, of: slot.description)
        try charge(slot.description)
        return [try derive(try await passphrase(), slot.description)]
    }

    /// The passphrase that opens `slot`: what was typed before, or what is typed now for this slot alone.
    ///
    /// - Throws: `.wrongKey` if neither opens it.
    public func passphrase(opening slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        try limits.check(slot.description.derivation, of: slot.description)
        let first = try await passphrase()
        do throws(CustodyError) {
            try requireOpens(first, slot, vault)
            return first
        } catch  where error.code == .wrongKey {
            let second = try await source(.open)
            guard !first.withSecret({ first in second.withSecret { $0.equals(first) } }) else { throw error }
            try requireOpens(second, slot, vault)
            return second
        }
    }

    /// Refuses to try so many slots that a planted header costs minutes.
    ///
    /// A slot counts once.
    private func charge(_ slot: SlotDescription) throws(CustodyError) {
        let total = state.withLock { state in
            state.costs[slot.id] = slot.derivation?.cost ?? 0
            return state.costs.values.reduce(0, +)
        }
        guard total <= limits.maximumTotalCost else {
            throw CustodyError(
                .excessive,
                "trying all passphrase slots would take more than \(limits.maximumTotalCost >> 30) GiB of passes",
                hint: "name one with --slot ID; vault key list shows them"
            )
        }
    }

    /// Forgets what the slots of an opened header cost: a program that runs for months opens many of them.
    public func settle() { state.withLock { $0.costs = [:] } }

    private func requireOpens(_ passphrase: SharedSecret, _ slot: KeySlot, _ vault: [UInt8]) throws(CustodyError) {
        try derive(passphrase, slot.description).withSecret { (root) throws(CustodyError) in
            _ = try slot.unwrap(under: root, vault: vault)
        }
    }

    /// The root of a new slot under a passphrase that is known already.
    public func enroll(_ slot: SlotDescription, using passphrase: SharedSecret) throws(CustodyError) -> SharedSecret {
        try derive(passphrase, slot)
    }

    /// What was typed, or is now.
    public func passphrase() async throws(CustodyError) -> SharedSecret {
        let (known, refusal) = state.withLock { ($0.typed, $0.refusal) }
        if let known { return known }
        if let refusal { throw refusal }
        do throws(CustodyError) {
            let typed = try await source(.open)
            state.withLock { $0.typed = typed }
            return typed
        } catch {
            state.withLock { $0.refusal = error }
            throw error
        }
    }

    private func derive(_ passphrase: SharedSecret, _ slot: SlotDescription) throws(CustodyError) -> SharedSecret {
        try limits.check(slot.derivation, of: slot)
        guard let derivation = slot.derivation else {
            throw CustodyError(.damaged, "the slot \(slot.shortID) names no key derivation")
        }
        do {
            return SharedSecret(
                try passphrase.withSecret { (secret) throws(CryptoError) in
                    try derivation.derive(from: secret, salt: slot.salt)
                }
            )
        } catch {
            throw CustodyError(.excessive, error.message, underlying: error)
        }
    }
}
