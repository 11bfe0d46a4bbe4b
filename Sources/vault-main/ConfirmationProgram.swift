@preconcurrency internal import Dispatch
internal import Glibc
internal import Synchronization
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

/// Asks by a program on the desktop whether an entry may be used: for the agent, which has no terminal.
///
/// One question at a time, and few that wait: a program that asks for a token in a loop is not to fill the screen.
final class ConfirmationProgram: Sendable {
    private static let mostWaiting = 4

    private let environment: [String: String]
    private let queue = DispatchQueue(label: "vault.confirmation")
    private let state = Mutex(State())

    private struct State {
        var waiting = 0
        /// The program that asks now.
        var process: pid_t?
        /// Grows when questions are dismissed: those that were put before are not asked any more.
        var round = 0
    }

    /// - Parameter environment: Names the program: `VAULT_ASKPASS`, `SSH_ASKPASS`, or pinentry on a display.
    init(environment: [String: String]) { self.environment = environment }

    /// Asks.
    ///
    /// - Throws: `.locked` where nobody can be asked, and for everything but a yes.
    func ask(_ name: EntryName, _ caller: Caller) async throws(VaultError) {
        guard let askpass = Askpass(environment: environment) else {
            throw VaultError(
                .locked,
                "each use of \(name) is to be confirmed, and there is nobody to ask",
                hint: "set VAULT_ASKPASS for the agent, or DISPLAY where pinentry is installed; "
                    + "vault edit \(name) --no-confirm ends that"
            )
        }
        let round = state.withLock { state -> Int? in
            guard state.waiting < Self.mostWaiting else { return nil }
            state.waiting += 1
            return state.round
        }
        guard let round else {
            throw VaultError(.locked, "too many questions wait for an answer already", hint: "answer them first")
        }
        let program = caller.tool.map { ", asked for by \($0)" } ?? ""
        let question = "Use \(name)\(Diagnostics.oneLine(program))?"
        let isConfirmed = await withCheckedContinuation { continuation in
            queue.async { [self] in
                defer { state.withLock { $0.waiting -= 1 } }
                guard state.withLock({ $0.round == round }) else { return continuation.resume(returning: false) }
                continuation.resume(returning: confirm(question, askpass, round))
            }
        }
        guard isConfirmed else {
            throw VaultError(.locked, "the use of \(name) was not confirmed", hint: "run it again, and confirm it")
        }
    }

    private func confirm(_ question: String, _ askpass: Askpass, _ round: Int) -> Bool {
        do throws(VaultError) {
            try askpass.confirm(question) { process in
                let isDismissed = state.withLock { state in
                    state.process = process
                    return state.round != round
                }
                if isDismissed { kill(process, SIGTERM) }
            }
            state.withLock { $0.process = nil }
            return true
        } catch {
            state.withLock { $0.process = nil }
            return false
        }
    }

    /// Takes back what is asked: its vault was locked.
    func dismiss() {
        state.withLock { state in
            state.round += 1
            // It is a child that nobody has waited for, so the number is its own.
            if let process = state.process { kill(process, SIGTERM) }
        }
    }
}
