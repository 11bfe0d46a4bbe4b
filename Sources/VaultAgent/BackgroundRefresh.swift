internal import Providers
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

/// Refreshes the tokens of one vault before anybody has to wait for it.
///
/// Only entries that are in use: an access token that nobody wants is not worth a request, and a grant that nobody
/// uses is better left to run out.
struct BackgroundRefresh: Sendable {
    /// How often the entries are looked at; a clock that was set, or a machine that slept, is noticed then.
    static let interval = Duration.seconds(30)
    /// A token is refreshed this long before it runs out, or earlier by up to half of it.
    static let longestLead: Int64 = 300

    private let held: HeldVault
    private let clock: VaultClock
    private let notices: LoginNotices

    init(of held: HeldVault, clock: VaultClock, notices: LoginNotices) {
        self.held = held
        self.clock = clock
        self.notices = notices
    }

    /// Goes on until the vault is locked or the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do { try await clock.pauses.sleep(for: Self.interval) } catch { return }
            guard await round() else { return }
        }
    }

    /// Looks at each entry that was used lately, and refreshes what is due.
    ///
    /// - Returns: Whether the vault is open still.
    func round() async -> Bool {
        for name in held.entriesUsed(within: held.settings.refreshUnusedFor) {
            do throws(VaultError) {
                try await held.use(countsAsUse: false) { (broker) async throws(VaultError) in
                    try await refresh(name, broker)
                }
            } catch {
                if error.code == .locked { return false }
                // Whatever else it is, the entry says so, and whoever asks for its token gets it as an answer.
                guard error.code == .loginRequired else { continue }
                await notices.needed(name.description, held.id, error, held.settings)
            }
        }
        return true
    }

    private func refresh(_ name: EntryName, _ broker: LocalBroker) async throws(VaultError) {
        let summary = try await broker.vault.summary(of: name)
        guard let lead = Self.lead(of: summary, now: clock.now) else { return }
        var need = TokenNeed(began: clock.now)
        need.minimumValidity = lead
        _ = try await broker.ungatedToken(for: name, need)
    }

    /// The validity to ask for if it is time to refresh the entry; `nil` if it is not, or nobody can.
    ///
    /// Many machines that were given tokens in the same second would come back in the same second; each entry has its
    /// own share of the jitter, another one after each refresh.
    static func lead(of summary: EntrySummary, now: Timestamp) -> Int64? {
        guard summary.name.kind == .oauth, summary.state == .active || summary.state == .suspect,
            summary.holds.contains(.refreshToken), case .known(let end) = summary.expiry
        else { return nil }
        if let failure = summary.refreshFailure, failure.retryAt > now, failure.at <= now { return nil }
        let lifetime = summary.issuedAt.map { max(0, end.seconds - $0.seconds) } ?? 3600
        // Short-lived tokens would otherwise be refreshed all the time; below a minute that is left to their users.
        let base = min(longestLead, lifetime / 4)
        guard base >= 15 else { return nil }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in summary.id.bytes + withUnsafeBytes(of: summary.generation, Array.init) {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
        }
        let lead = base + Int64(hash % UInt64(base / 2 + 1))
        return end.seconds - now.seconds < lead ? lead : nil
    }
}
