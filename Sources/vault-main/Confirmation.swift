internal import Synchronization
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

extension Context {
    /// Asks at the terminal before each use that is to be confirmed; refuses where there is none.
    var gate: HandOutGate {
        HandOutGate { [self] name, caller throws(VaultError) in try confirmUse(of: name, by: caller) }
    }

    /// The same, asking once for each entry: for a command that goes on using it.
    var gateAskingOnce: HandOutGate {
        let confirmed = ConfirmedNames()
        return HandOutGate { [self] name, caller throws(VaultError) in
            guard !confirmed.names.withLock({ $0.contains(name) }) else { return }
            try confirmUse(of: name, by: caller)
            confirmed.names.withLock { _ = $0.insert(name) }
        }
    }

    private func confirmUse(of name: EntryName, by caller: Caller) throws(VaultError) {
        guard !noInput, let terminal = Terminal() else {
            throw VaultError(
                .locked,
                "each use of \(name) is to be confirmed, and there is nobody to ask",
                hint: "run it in a terminal; vault edit \(name) --no-confirm ends that"
            )
        }
        defer { terminal.close() }
        let program = caller.tool.map { ", asked for by \($0)" } ?? ""
        guard terminal.confirm("Use \(name)\(Diagnostics.oneLine(program))?") else {
            throw VaultError(.locked, "the use of \(name) was not confirmed", hint: "run it again, and answer with y")
        }
    }
}

/// Entries whose use was confirmed.
private final class ConfirmedNames: Sendable {
    let names = Mutex<Set<EntryName>>([])
}
