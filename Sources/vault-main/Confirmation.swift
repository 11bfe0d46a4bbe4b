@preconcurrency internal import Dispatch
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

    /// Asks by a program on the desktop, for the agent, which has no terminal.
    var confirmationByProgram: HandOutGate.Confirmation {
        { [environment] name, caller throws(VaultError) in
            let refusal = VaultError(
                .locked,
                "each use of \(name) is to be confirmed, and there is nobody to ask",
                hint: "set VAULT_ASKPASS for the agent, or DISPLAY where pinentry is installed; "
                    + "vault edit \(name) --no-confirm ends that"
            )
            guard let askpass = Askpass(environment: environment) else { throw refusal }
            let program = caller.programs.first.map { ", asked for by \($0)" } ?? ""
            let question = "Use \(name)\(Diagnostics.oneLine(program))?"
            let answer = await withCheckedContinuation { continuation in
                // A program that waits for a person has a thread of its own.
                DispatchQueue(label: "vault.confirmation").async {
                    do throws(VaultError) {
                        continuation.resume(returning: Result<Void, VaultError>.success(try askpass.confirm(question)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            }
            if case .failure = answer {
                throw VaultError(.locked, "the use of \(name) was not confirmed", hint: "run it again, and confirm it")
            }
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
        let program = caller.programs.first.map { ", asked for by \($0)" } ?? ""
        guard terminal.confirm("Use \(name)\(Diagnostics.oneLine(program))?") else {
            throw VaultError(.locked, "the use of \(name) was not confirmed", hint: "run it again, and answer with y")
        }
    }
}

/// Entries whose use was confirmed.
private final class ConfirmedNames: Sendable {
    let names = Mutex<Set<EntryName>>([])
}
