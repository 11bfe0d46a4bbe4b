internal import Synchronization

/// Lets one answer of one login through, whichever way it comes: by the listener or pasted by hand.
///
/// Everything else is answered and forgotten. What a person should know of it is said once for each kind, so that a
/// flood of forged callbacks is no flood on the terminal.
final class LoginGate: Sendable {
    /// How the wait for a person ended.
    enum Outcome: Sendable {
        case answered(LoginAttempt.Verdict)
        case tooLate
        case cancelled
    }

    private struct State {
        var attempt: LoginAttempt?
        var isUsed = false
        var noted: Set<LoginAttempt.Stray> = []
        var hasNotedUser = false
    }

    private let note: @Sendable (String) -> Void
    private let state = Mutex(State())
    private let answers: AsyncStream<LoginAttempt.Verdict>
    private let deliver: AsyncStream<LoginAttempt.Verdict>.Continuation

    /// A gate that knows no attempt yet, and lets nothing through.
    init(note: @escaping @Sendable (String) -> Void) {
        self.note = note
        (answers, deliver) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
    }

    /// Says which attempt it guards; the port had to be known before there could be one.
    func arm(with attempt: LoginAttempt) { state.withLock { $0.attempt = attempt } }

    /// Judges one query.
    ///
    /// - Returns: Whether it was the answer of this login; then it is used up.
    func offer(_ query: some StringProtocol) -> Bool {
        guard let attempt = state.withLock({ $0.isUsed ? nil : $0.attempt }) else { return false }
        let verdict = CallbackQuery(query).map(attempt.judge) ?? .stray(.malformed)
        if case .stray(let stray) = verdict {
            tell(stray)
            return false
        }
        let isFirst = state.withLock { state in
            defer { state.isUsed = true }
            return !state.isUsed
        }
        guard isFirst else { return false }
        deliver.yield(verdict)
        deliver.finish()
        return true
    }

    /// Lets nothing through any more.
    func shut() { state.withLock { $0.isUsed = true } }

    /// Waits for the answer.
    func outcome(within timeout: Duration, on clock: any Clock<Duration>) async -> Outcome {
        let answers = answers
        return await withTaskGroup(of: Outcome.self) { group in
            group.addTask {
                for await verdict in answers { return .answered(verdict) }
                return .cancelled
            }
            group.addTask {
                do { try await clock.sleep(for: timeout) } catch { return .cancelled }
                return .tooLate
            }
            let first = await group.next() ?? .cancelled
            group.cancelAll()
            return first
        }
    }

    /// Says that a program of another user came to the port.
    func tellOfUser(_ id: UInt32) {
        let isFirst = state.withLock { state in
            defer { state.hasNotedUser = true }
            return !state.isUsed && !state.hasNotedUser
        }
        guard isFirst else { return }
        note(
            "a program of another user (uid \(id)) connected to the port of this login, and was turned away; still waiting "
                + "for your browser: if it runs as that user, paste the address that it comes back to (without a terminal, with --paste)"
        )
    }

    private func tell(_ stray: LoginAttempt.Stray) {
        let sentence: String
        switch stray {
        // Anyone can knock; nobody needs to hear of it.
        case .malformed, .wrongState: return
        case .unprovenDenial(let error):
            sentence =
                "a response says that the login was refused\(error.map { " (\($0))" } ?? ""), but does not prove that "
                + "it belongs to this login; still waiting: press Ctrl-C if you did cancel it"
        case .wrongIssuer:
            sentence = "a response names another authorization server than this login's; it was ignored, still waiting"
        case .missingIssuer:
            sentence =
                "a response does not name its authorization server, although this server says that all do; "
                + "it was ignored, still waiting"
        }
        // The kind, not the text: an error code must not make it a new remark.
        var kind = stray
        if case .unprovenDenial = stray { kind = .unprovenDenial(nil) }
        if state.withLock({ !$0.isUsed && $0.noted.insert(kind).inserted }) { note(sentence) }
    }
}
