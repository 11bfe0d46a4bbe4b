internal import Glibc
internal import OAuthFlows
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// One refresh of one entry, from the lease to its release.
///
/// (1) Take the lease; what was read before it was only a hint. (2) Make room for a spill, and write the journal.
/// (3) Send one request, unless send-before has passed. (4) Commit what came of it, durable before anyone sees the new
/// access token. Killed anywhere, it leaves the old grant, the new one, or a journal that says what is not known.
struct RefreshTransaction: Sendable {
    /// The holder of a lease sends nothing later than this after its journal.
    ///
    /// Long enough for connecting (10 s), short enough that a machine that was asleep does not spend a token in the
    /// belief that it is still alone with it.
    static let sendWindowMilliseconds: UInt64 = 15_000
    /// Refusals without a clear reason after which a grant is suspect.
    static let unclearUntilSuspect: UInt32 = 3

    let vault: Vault
    let endpoint: TokenEndpoint
    let clock: VaultClock
    let backoff: Backoff
    let secondOwner: SecondOwner?
    let name: EntryName
    let need: TokenNeed

    /// Runs it to its end.
    func run() async throws(VaultError) -> FreshToken {
        let leased: LeasedEntry
        do {
            leased = try await vault.lease(name)
        } catch {
            // "Waiters give up after 90 s: exit 8, or the old token if it is still valid."
            guard error.code == .unavailable else { throw error }
            return try old(try await vault.read(name), instead: outOfReach(error))
        }
        defer { leased.release() }
        do {
            return try await run(leased)
        } catch {
            leased.release()
            if error.isLeaseLost || error.isEntryReplaced || error.underlying is LostLease {
                return try await retake(after: error)
            }
            guard error.isStoreUnreachable else { throw error }
            return try old(try await vault.read(name), instead: outOfReach(error))
        }
    }

    /// Without the store there is no lease, and without the lease no refresh.
    private func outOfReach(_ error: VaultError) -> VaultError {
        guard error.isStoreUnreachable else { return error }
        return VaultError(
            .temporary,
            "the store cannot be reached, so nothing was refreshed: \(error.message)",
            hint: error.hint ?? "ask again once it can be reached",
            underlying: error.underlying
        )
    }

    /// Goes on after the lease ended while this process was stopped, or cut off from the store, and a commit was refused.
    ///
    /// Taking the lease anew takes in the tokens that were spilled. Nothing is sent: who held the lease meanwhile may have.
    private func retake(after error: VaultError) async throws(VaultError) -> FreshToken {
        let leased: LeasedEntry
        do { leased = try await vault.lease(name) } catch let second {
            // Where new tokens are kept is said by the first.
            let reach = outOfReach(second)
            throw VaultError(
                reach.code,
                "\(error.message); \(reach.message)",
                hint: reach.hint,
                underlying: reach.underlying
            )
        }
        defer { leased.release() }
        let entry = try await leased.read()
        if let token = try usable(entry) { return token }
        if let lost = error.underlying as? LostLease, lost.unsent == entry.summary.journal {
            // Only its writer knows that nothing was sent; anybody else would leave the token alone for a while.
            try await leased.update { (summary, _) throws(VaultError) in summary.journal = lost.before }
        }
        return try old(
            entry,
            instead: error.isEntryReplaced
                ? error
                : VaultError(
                    .temporary,
                    "\(name): the lease ended while this process was stopped or cut off from the store",
                    hint: "ask again",
                    underlying: error
                )
        )
    }

    private func run(_ leased: LeasedEntry) async throws(VaultError) -> FreshToken {
        while true {
            let entry = try await leased.read()
            if let token = try await given(leased, entry) { return token }
            guard let plan = try RenewalPlan(entry.summary, entry.secrets) else { return try unrenewable(entry) }
            if let failure = entry.summary.refreshFailure, answers(failure) {
                return try old(entry, instead: RefreshFailures.error(entry.summary, failure, now: clock.now))
            }
            if leased.isFenced {
                if let wait = grace(entry, plan) { return try old(entry, instead: wait) }
                return try await renew(leased, entry, plan)
            }
            guard let journal = entry.summary.journal, mayBeSent(journal) else {
                return try await renew(leased, entry, plan)
            }
            do { try await clock.pauses.sleep(for: .milliseconds(100)) } catch {
                throw VaultError(.interrupted, "waiting for another refresh of \(name) was cancelled")
            }
        }
    }

    /// The token, where the entry's state lets nobody refresh it or there is no need to.
    private func given(
        _ leased: LeasedEntry,
        _ entry: borrowing OpenedEntry
    ) async throws(VaultError) -> FreshToken? {
        if let token = try usable(entry) { return token }
        switch entry.summary.state {
        case .active, .suspect: return nil
        case .held(.secondOwner): return try await askOwner(leased, entry)
        case .held: return try old(entry, instead: held(entry.summary))
        case .reauthorizationRequired(let reason):
            throw LoginNeeded.error(entry.summary, because: LoginNeeded.sentence(reason))
        }
    }

    /// Nothing better is to be had than what there is, so less validity than asked for is no reason to fail.
    private func unrenewable(_ entry: borrowing OpenedEntry) throws(VaultError) -> FreshToken {
        try old(
            entry,
            instead: LoginNeeded.error(entry.summary, because: LoginNeeded.nothingToRenew(entry.summary, clock.now)),
            note: TokenValidity(summary: entry.summary, now: clock.now).shortfall(need)
        )
    }

    /// Whether an earlier attempt is this caller's answer too: it began after the caller asked, or its back-off is not
    /// over.
    private func answers(_ failure: RefreshFailure) -> Bool {
        let now = clock.now
        if need.isAnswered(by: failure.at, now: now) { return true }
        return !need.requiresRefresh && failure.isBackedOff(at: now)
    }

    /// Whether somebody may be about to send the token: "a successor waits until send-before has passed".
    ///
    /// Whoever locks the same file cannot be, because the lease is ours. With another state directory, as in a container
    /// that shares the vault alone, somebody can, and most of the time a new token is here before the wait is over.
    private func mayBeSent(_ journal: RefreshJournal) -> Bool {
        let now = clock.bootTime
        let ours = LeasePlace(of: vault)
        guard LeasePlace(journal.boot).isElsewhere(from: ours), journal.sendBefore > now else { return false }
        // Whatever a journal says, nobody waits for longer than a holder may send.
        return journal.sendBefore - now <= Self.sendWindowMilliseconds
    }

    /// Why the token is left alone for now: a holder on another machine may have its answer, and not be dead.
    ///
    /// A journal of this place is no such case: its holder held the lock file that is ours now, so it is dead or done.
    private func grace(_ entry: borrowing OpenedEntry, _ plan: RenewalPlan) -> VaultError? {
        guard case .refresh(let token) = plan.grant, let journal = entry.summary.journal, journal.sendBefore != 0,
            journal.spent == TokenFingerprint(of: token).bytes, journal.boot != LeasePlace(of: vault).bytes
        else { return nil }
        // The journal was the last thing that was written, by the clock of that machine. One that is ahead of ours makes
        // the wait longer by as much, but no clock makes anybody wait for ever; one that is behind leaves the lease's own
        // time, which had to run out first.
        guard let wait = Vault.graceLeft(since: entry.summary.updatedAt, now: clock.now) else { return nil }
        return VaultError(
            .temporary,
            "\(name) was being refreshed on another machine, which has lost its lease and may have the answer",
            hint: "ask again in \(wait) s"
        )
    }

    private func renew(
        _ leased: LeasedEntry,
        _ entry: borrowing OpenedEntry,
        _ plan: RenewalPlan
    ) async throws(VaultError) -> FreshToken {
        let began = clock.now
        let before = entry.summary.journal
        var attempt = RenewalAttempt(began: began, journalBefore: before, spent: nil)
        switch plan.grant {
        case .clientCredentials:
            var request = plan.request
            request.scope = plan.scope
            let answer = await endpoint.clientCredentials(request)
            return try await record(answer, attempt, leased, entry.summary, spill: nil)
        case .refresh(let token):
            // From here to the commit nothing that asks this process to end may end it.
            let hold = SignalHold()
            defer { withExtendedLifetime(hold) {} }
            // What was postponed may stop this process when the hold ends: nobody is to wait for its lease then.
            defer { leased.release() }
            let spent = TokenFingerprint(of: token)
            attempt.spent = spent
            if try vault.wasExchanged(spent) { return try await putBack(leased, spent) }
            // A journal about another token is of no concern any more.
            if before?.spent != spent.bytes { attempt.journalBefore = nil }
            let spill: SpillFile
            do throws(VaultError) {
                // Where the server never gives another refresh token, none is spent.
                spill = try await leased.prepareSpill(for: entry.summary.rotation == .never ? nil : spent)
            } catch {
                guard error.code == .loginRequired else { throw error }
                return try old(entry, instead: error)
            }
            defer { spill.discard() }
            let sendBefore = clock.bootTime + Self.sendWindowMilliseconds
            let journal = RefreshJournal(
                spent: spent.bytes,
                startedAt: attempt.journalBefore?.startedAt ?? began,
                sendBefore: sendBefore,
                boot: LeasePlace(of: vault).bytes,
                lostAnswers: attempt.journalBefore?.lostAnswers ?? 0
            )
            do throws(VaultError) {
                try await leased.update(ifHolding: spent) { (summary, _) throws(VaultError) in
                    summary.journal = journal
                }
            } catch {
                // What was read before was older than the lease: nothing was sent, and what is there may do.
                guard error.isEntryReplaced, let token = try usable(try await leased.read()) else { throw error }
                return token
            }
            attempt.journal = journal
            var request = plan.request
            request.beforeSending = { [clock] in
                let now = clock.bootTime
                guard now < sendBefore, leased.isHeld(at: now) else { throw SendWindowPassed() }
            }
            let answer = await endpoint.refresh(RefreshRequest(refreshToken: token, request: request))
            return try await record(answer, attempt, leased, entry.summary, spill: spill)
        }
    }

    /// An older version was put in the place of what this machine has refreshed: nothing is sent.
    private func putBack(_ leased: LeasedEntry, _ spent: TokenFingerprint) async throws(VaultError) -> FreshToken {
        let summary = try await leased.update(ifHolding: spent) { (summary, _) throws(VaultError) in
            summary.state = .held(.rolledBack)
        }
        return try old(try await leased.read(), instead: held(summary))
    }

    // MARK: - What each answer means

    private func record(
        _ answer: TokenEndpointAnswer,
        _ attempt: RenewalAttempt,
        _ leased: LeasedEntry,
        _ before: EntrySummary,
        spill: SpillFile?
    ) async throws(VaultError) -> FreshToken {
        switch answer {
        case .granted(let grant): return try await keep(grant, attempt, leased, spill: spill)
        case .invalidGrant(let response): return try await end(response, attempt, leased)
        case .unprepared(let error):
            // Nothing was asked of the server, so nothing is known of it.
            do {
                try await leased.update { (summary, _) throws(VaultError) in summary.journal = attempt.journalBefore }
            } catch {
                throw attempt.unsent(error)
            }
            return try old(try await leased.read(), instead: error)
        case .unsent(let reason):
            return try await fail(.unsent, reason, attempt, leased, before)
        case .lost(let reason):
            return try await fail(.lost, reason, attempt, leased, before)
        case .busy(let reason, let retryAfter):
            return try await fail(.busy, reason, attempt, leased, before, retryAfter: retryAfter)
        case .misconfigured(let response):
            return try await fail(.misconfigured, response.sentence, attempt, leased, before)
        case .unclear(let reason):
            return try await fail(.unclear, reason, attempt, leased, before)
        case .refused(let response):
            return try await fail(.unclear, response.sentence, attempt, leased, before)
        }
    }

    private func keep(
        _ grant: TokenGrant,
        _ attempt: RenewalAttempt,
        _ leased: LeasedEntry,
        spill: SpillFile?
    ) async throws(VaultError) -> FreshToken {
        let now = clock.now
        let rotated = grant.refreshToken.map { TokenFingerprint(of: $0) != attempt.spent }
        if let spent = attempt.spent, rotated == true { vault.noteExchanged(spent) }
        let change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void = {
            (summary, secrets) throws(VaultError) in
            summary.record(grant, now: now)
            if attempt.spent != nil, rotated == true { summary.rotation = .always }
            try secrets.record(grant)
        }
        let summary: EntrySummary
        if let spill, let spent = attempt.spent {
            summary = try await leased.update(orSpillInto: spill, spent: spent, change)
        } else {
            summary = try await leased.update(change)
        }
        try summary.requirePresentable()
        let validity = TokenValidity(summary: summary, now: clock.now)
        let notes = validity.shortfall(need).map { [$0] } ?? []
        return FreshToken(value: grant.accessToken, summary: summary, notes: notes)
    }

    /// `invalid_grant`: somebody else has spent the token, or the grant is dead.
    private func end(
        _ response: TokenErrorResponse,
        _ attempt: RenewalAttempt,
        _ leased: LeasedEntry
    ) async throws(VaultError) -> FreshToken {
        let now = clock.now
        // "re-read under the lease: differs from the one sent → adopt": a writer that knows no leases, such as a sync
        // tool, may have put a newer record here.
        let current = try await leased.read()
        if let spent = attempt.spent, current.secrets.fingerprint(.refreshToken) != spent {
            if let token = try usable(current) { return token }
            throw VaultError(
                .temporary,
                "\(name) was changed by another program while it was refreshed",
                hint: "ask again"
            )
        }
        let isLost = attempt.journalBefore != nil
        let word = isLost ? LoginNeeded.rotationResponseLost : response.error
        let failure = RefreshFailure(
            at: attempt.began,
            retryAt: now,
            count: (current.summary.refreshFailure?.count ?? 0) + 1,
            kind: .dead,
            reason: response.sentence
        )
        let summary = try await leased.update(ifHolding: attempt.spent) { (summary, _) throws(VaultError) in
            // The sealed token stays: nothing the server says deletes it.
            summary.state = .reauthorizationRequired(word)
            summary.journal = nil
            summary.refreshFailure = failure
        }
        throw LoginNeeded.error(summary, because: LoginNeeded.sentence(word))
    }

    private func fail(
        _ kind: RefreshFailure.Kind,
        _ reason: String,
        _ attempt: RenewalAttempt,
        _ leased: LeasedEntry,
        _ before: EntrySummary,
        retryAfter: Duration? = nil
    ) async throws(VaultError) -> FreshToken {
        let now = clock.now
        let last = before.refreshFailure
        let count = (last?.count ?? 0) + 1
        // "marked `suspect` after three, spaced": attempts that cut a back-off short do not count.
        let isSpaced = last.map { !$0.isBackedOff(at: attempt.began) } ?? true
        let unclearBefore = last?.unclear ?? 0
        let failure = RefreshFailure(
            at: attempt.began,
            // A wrong configuration does not mend itself; once it is mended nobody should have to wait.
            retryAt: kind == .misconfigured ? now : backoff.retry(after: count, at: now, server: retryAfter),
            count: count,
            unclear: kind == .unclear ? unclearBefore + (isSpaced ? 1 : 0) : unclearBefore,
            kind: kind,
            reason: reason
        )
        let note: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void = {
            (summary, secrets) throws(VaultError) in
            // Of a grant that somebody elsewhere has refreshed meanwhile this attempt says nothing.
            if let spent = attempt.spent, secrets.fingerprint(.refreshToken) != spent { return }
            // What an earlier request left unknown stays unknown, whatever became of this one.
            var journal = attempt.journalBefore
            if kind == .lost, let standing = summary.journal {
                journal = standing
                journal?.lostAnswers += 1
                // It was sent: nobody has to wait until it cannot be.
                journal?.sendBefore = 0
            }
            summary.journal = journal
            summary.refreshFailure = failure
            if failure.unclear >= Self.unclearUntilSuspect, summary.state == .active { summary.state = .suspect }
        }
        do { try await leased.update(note) } catch { throw kind == .unsent ? attempt.unsent(error) : error }
        let entry = try await leased.read()
        if let token = try usable(entry) { return token }
        return try old(entry, instead: RefreshFailures.error(entry.summary, failure, now: now))
    }

    // MARK: - What there is already

    private func usable(_ entry: borrowing OpenedEntry) throws(VaultError) -> FreshToken? {
        try FreshToken(entry, for: need, now: clock.now)
    }

    /// The token there is, if it is valid still and nobody refused it; otherwise the error.
    ///
    /// - Parameter note: What the caller is told beside it; the error by default.
    private func old(
        _ entry: borrowing OpenedEntry,
        instead error: VaultError,
        note: String? = nil
    ) throws(VaultError) -> FreshToken {
        let token = try FreshToken(old: entry, for: need, now: clock.now, because: error, note: note)
        guard let token else { throw error }
        return token
    }

    private func held(_ summary: EntrySummary) -> VaultError {
        switch summary.state {
        case .held(.otherMachine): return LoginNeeded.elsewhere(summary, clock.now)
        case .held(.conflict): return LoginNeeded.conflict(summary)
        default: break
        }
        return VaultError(
            .loginRequired,
            "\(name) is held (\(summary.state.reason ?? "")): its refresh token may have been spent elsewhere",
            hint: "vault adopt \(name.name) refreshes it all the same; vault login \(name.name) is sure to work"
        )
    }

    /// A grant that another program owns: take what that program has refreshed, and refresh nothing.
    private func askOwner(_ leased: LeasedEntry, _ entry: borrowing OpenedEntry) async throws(VaultError) -> FreshToken
    {
        let summary = entry.summary
        // The owner's file is read into the entry by the importer, which takes the lease itself.
        if let secondOwner {
            leased.release()
            try await secondOwner.reread(vault, summary, clock.now)
            let newer = try await vault.read(name)
            if let token = try usable(newer) { return token }
            // The owner may have been a command that has ended: then the vault refreshes again.
            if newer.summary.state != .held(.secondOwner) { return try await run() }
            return try old(newer, instead: LoginNeeded.owned(newer.summary))
        }
        return try old(entry, instead: LoginNeeded.owned(summary))
    }
}

/// What an attempt must remember until its answer is recorded.
struct RenewalAttempt: Sendable {
    var began: Timestamp
    /// The journal that stood before this attempt about the same token: an earlier answer was lost.
    var journalBefore: RefreshJournal?
    /// The refresh token that is presented; `nil` where there is none.
    var spent: TokenFingerprint?
    /// The journal of this attempt, once it is written.
    var journal: RefreshJournal?

    /// The error of a commit that was to say that nothing was sent.
    func unsent(_ error: VaultError) -> VaultError {
        guard error.isLeaseLost, let journal else { return error }
        return VaultError(
            error.code,
            error.message,
            hint: error.hint,
            underlying: LostLease(unsent: journal, before: journalBefore)
        )
    }
}

/// The lease ended before anything was sent, and the journal stands.
struct LostLease: Error {
    var unsent: RefreshJournal
    var before: RefreshJournal?
}

/// The machine slept, or was stopped, between the journal and the request.
struct SendWindowPassed: Error, CustomStringConvertible {
    var description: String { "too much time passed before the request could be sent" }
}
