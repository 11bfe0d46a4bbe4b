internal import CVaultSystem

/// Keeps signals from ending the process between the journal and the commit.
///
/// It has an effect only in a program that has put its signals under the gate (`vault_gate_signals`), as the command and
/// the agent do; a library does not meddle with the signals of its host.
final class SignalHold: Sendable {
    init() { vault_postpone_signals() }

    deinit { vault_admit_signals() }
}
