package import VaultAPI
package import VaultCore

/// What every secret passes on its way out: whether this caller may have it, and a line in the audit log.
///
/// The policy of an entry is advice that honest programs keep: who can open a key slot needs no gate.
package struct HandOutGate: Sendable {
    /// Asks a person whether this caller may use this entry now; throws if not.
    package typealias Confirmation = @Sendable (EntryName, Caller) async throws(VaultError) -> Void

    private let confirm: Confirmation

    /// - Parameter confirm: For one use; who is to be asked only once remembers the answer.
    package init(confirm: @escaping Confirmation) { self.confirm = confirm }

    /// Nobody can be asked, so what wants to be confirmed is refused.
    package static let askingNobody = HandOutGate { name, _ throws(VaultError) in
        throw VaultError(
            .locked,
            "each use of \(name) is to be confirmed, and there is nobody to ask",
            hint: "run it in a terminal; vault edit \(name) --no-confirm ends that"
        )
    }

    /// Whether this caller may have what is in the entry; a refusal is audited.
    ///
    /// - Throws: `.unsafe` where programs are named and the caller is none of them; `.locked` where nobody confirmed.
    package func admit(_ entry: EntrySummary, to caller: Caller, in vault: Vault) async throws(VaultError) {
        guard entry.programs.isEmpty || caller.programs.contains(where: entry.programs.contains) else {
            let asked = caller.tool ?? "a program that is gone"
            await deny(entry, "not a named program", to: caller, in: vault)
            throw VaultError(
                .unsafe,
                "\(entry.name) is only for \(entry.programs.joined(separator: ", ")), and it was asked for by \(asked)",
                hint: "vault edit \(entry.name) --program PATH names one more; --any-program ends that"
            )
        }
        guard entry.confirmsUse else { return }
        do throws(VaultError) {
            try await confirm(entry.name, caller)
        } catch {
            await deny(entry, "not confirmed", to: caller, in: vault)
            throw error
        }
    }

    private func deny(_ entry: EntrySummary, _ outcome: String, to caller: Caller, in vault: Vault) async {
        await vault.record(
            AuditEvent(.denied, outcome: outcome, name: entry.name, entry: entry.id, caller: caller)
        )
    }

    /// Puts a hand-out on record.
    ///
    /// - Returns: Why that was not possible, for who can be told: it goes on all the same.
    package func record(
        _ kind: AuditEvent.Kind,
        of entry: EntrySummary,
        to caller: Caller,
        in vault: Vault
    ) async -> String? {
        await vault.record(AuditEvent(kind, name: entry.name, entry: entry.id, caller: caller))
    }
}
