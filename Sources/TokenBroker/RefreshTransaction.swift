internal import Glibc
internal import OAuthFlows
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
            return try old(try await vault.read(name), instead: error)
        }
        defer { leased.release() }
        return try await run(leased)
    }

    private func run(_ leased: LeasedEntry) async throws(VaultError) -> FreshToken {
        let entry = try await leased.read()
        if let token = try usable(entry) { return token }
        switch entry.summary.state {
        case .active, .suspect: break
        case .held(.secondOwner): return try await askOwner(leased, entry)
        case .held: return try old(entry, instead: held(entry.summary))
        case .reauthorizationRequired(let reason):
            throw LoginNeeded.error(entry.summary, because: LoginNeeded.sentence(reason))
        }
        guard let plan = try RenewalPlan(entry.summary, entry.secrets) else {
            // Nothing better is to be had than what there is, so less validity than asked for is no reason to fail.
            let validity = TokenValidity(summary: entry.summary, now: clock.now)
            return try old(
                entry,
                instead: LoginNeeded.error(
                    entry.summary,
                    because: LoginNeeded.nothingToRenew(entry.summary, clock.now)
                ),
                note: validity.shortfall(need)
            )
        }
        if let failure = entry.summary.refreshFailure, answers(failure) {
            return try old(entry, instead: RefreshFailures.error(entry.summary, failure, now: clock.now))
        }
        return try await renew(leased, entry, plan)
    }

    /// Whether an earlier attempt is this caller's answer too: it began after the caller asked, or its back-off is not
    /// over.
    private func answers(_ failure: RefreshFailure) -> Bool {
        if failure.at >= need.began { return true }
        return failure.retryAt > clock.now && !need.requiresRefresh
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
            request.scope = plan.scopes.isEmpty ? nil : plan.scopes.joined(separator: " ")
            let answer = await endpoint.clientCredentials(request)
            return try await record(answer, attempt, leased, entry.summary, spill: nil)
        case .refresh(let token):
            // From here to the commit nothing that asks this process to end may end it.
            let hold = SignalHold()
            defer { withExtendedLifetime(hold) {} }
            let spent = token.withSecret { $0.withUnsafeBytes { TokenFingerprint(of: $0) } }
            attempt.spent = spent
            // A journal about another token is of no concern any more.
            if before?.spent != spent.bytes { attempt.journalBefore = nil }
            let spill = try await leased.prepareSpill()
            defer { spill.discard() }
            let sendBefore = clock.bootTime + Self.sendWindowMilliseconds
            let journal = RefreshJournal(
                spent: spent.bytes,
                startedAt: attempt.journalBefore?.startedAt ?? began,
                sendBefore: sendBefore,
                boot: BootID.current,
                lostAnswers: attempt.journalBefore?.lostAnswers ?? 0
            )
            try await leased.update { (summary, _) throws(VaultError) in summary.journal = journal }
            var request = plan.request
            request.beforeSending = { [clock] in
                guard clock.bootTime < sendBefore else { throw SendWindowPassed() }
            }
            let answer = await endpoint.refresh(RefreshRequest(refreshToken: token, request: request))
            return try await record(answer, attempt, leased, entry.summary, spill: spill)
        }
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
        let rotated = grant.refreshToken.map { token in
            token.withSecret { $0.withUnsafeBytes { TokenFingerprint(of: $0) } } != attempt.spent
        }
        let change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void = {
            (summary, secrets) throws(VaultError) in
            summary.record(grant, now: now)
            if attempt.spent != nil, rotated == true { summary.rotation = .always }
            try secrets.record(grant)
        }
        let summary: EntrySummary
        if let spill, let spent = attempt.spent {
            summary = try await leased.update(orSpillInto: spill, spent: spent.bytes, change)
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
        if current.secrets.fingerprint(.refreshToken) != attempt.spent {
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
        let summary = try await leased.update { (summary, _) throws(VaultError) in
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
        let isSpaced = last.map { $0.retryAt <= attempt.began } ?? true
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
        try await leased.update { (summary, _) throws(VaultError) in
            // What an earlier request left unknown stays unknown, whatever became of this one.
            var journal = attempt.journalBefore
            if kind == .lost, let standing = summary.journal {
                journal = standing
                journal?.lostAnswers += 1
            }
            summary.journal = journal
            summary.refreshFailure = failure
            if failure.unclear >= Self.unclearUntilSuspect, summary.state == .active { summary.state = .suspect }
        }
        let entry = try await leased.read()
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
        let validity = TokenValidity(summary: entry.summary, now: clock.now)
        guard !need.requiresRefresh, validity.isAlive, entry.summary.isHandedOut,
            entry.secrets.fingerprint(.accessToken) != need.rejected,
            let value = try entry.secrets.shared(.accessToken)
        else { throw error }
        return FreshToken(
            value: value,
            summary: entry.summary,
            notes: [note ?? "\(error.message); the token that is here is still valid"]
        )
    }

    private func held(_ summary: EntrySummary) -> VaultError {
        VaultError(
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
}

/// The machine slept, or was stopped, between the journal and the request.
struct SendWindowPassed: Error, CustomStringConvertible {
    var description: String { "too much time passed before the request could be sent" }
}

/// Which boot of which machine the boot-time clock counts from.
enum BootID {
    static let current: [UInt8] = {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "re") else { return [UInt8](repeating: 0, count: 16) }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 37)
        guard fgets(&text, 37, file) != nil else { return [UInt8](repeating: 0, count: 16) }
        let line = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return EntryID(text: line)?.bytes ?? [UInt8](repeating: 0, count: 16)
    }()
}
