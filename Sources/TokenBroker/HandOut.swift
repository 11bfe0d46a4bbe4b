package import VaultAPI
package import VaultCore

/// One caller and the gate that what it gets passes through.
package struct HandOut: Sendable {
    package let caller: Caller
    package let gate: HandOutGate

    package init(_ caller: Caller, _ gate: HandOutGate) {
        self.caller = caller
        self.gate = gate
    }

    /// Whether the caller may have what is in the entry.
    package func admit(_ entry: EntrySummary, in vault: Vault) async throws(VaultError) {
        try await gate.admit(entry, to: caller, in: vault)
    }

    /// Puts a hand-out on record; returns why that was not possible, in a sentence.
    package func record(_ kind: AuditEvent.Kind, of entry: EntrySummary, in vault: Vault) async -> String? {
        await gate.record(kind, of: entry, to: caller, in: vault)
    }
}
