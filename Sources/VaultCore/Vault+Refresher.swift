internal import PrivateFiles
public import VaultAPI
internal import VaultStorage

/// The one machine that refreshes an entry, where several share a store without a common lock.
///
/// A refresh token that rotates is spent by its first use. Two machines that know nothing of each other's leases would
/// sooner or later both use it, and that can end the grant. So each entry names the one that may; it is moved by hand.
extension Vault {
    /// What an entry whose grant this machine has just been given names; `nil` where a lease keeps everybody else out.
    ///
    /// - Throws: `.unavailable` where this machine would not be known again: nobody would refresh the entry then.
    func refresher() throws(VaultError) -> [UInt8]? {
        guard !store.hasCommonLock else { return nil }
        do throws(FileError) { _ = try keptMachineBytes() } catch { throw VaultError(error) }
        return refresherMark
    }

    /// Whether another machine refreshes the entry, or none is named that could.
    package func isRefreshedElsewhere(_ summary: EntrySummary) -> Bool {
        !store.hasCommonLock && summary.spendsRefreshToken && summary.refresher != refresherMark
    }

    /// Makes this machine the one that refreshes the entry.
    package func claim(_ summary: inout EntrySummary) throws(VaultError) {
        if let refresher = try refresher(), summary.spendsRefreshToken { summary.refresher = refresher }
    }

    /// Makes this machine the one that refreshes whatever nobody is named for: after a move to a store without a common
    /// lock.
    ///
    /// - Returns: How many entries that were.
    @discardableResult
    public func claimUnnamed() async throws(VaultError) -> Int {
        var count = 0
        for entry in try await list().entries where isRefreshedElsewhere(entry) && entry.refresher == nil {
            try await update(entry.name) { (summary, _) throws(VaultError) in
                if summary.refresher == nil { try self.claim(&summary) }
            }
            count += 1
        }
        return count
    }

    /// Holds an entry here that another machine refreshes.
    ///
    /// What is held for a program that owns its file is held here by this too: that file is on the other machine.
    ///
    /// - Parameter isContested: Whether there are several versions of it: one of their refresh tokens may be spent.
    func hold(_ summary: inout EntrySummary, isContested: Bool) {
        guard isContested || isRefreshedElsewhere(summary) else { return }
        switch summary.state {
        case .reauthorizationRequired: return
        // Worse is known of it than that another machine refreshes it.
        case .held(.restored), .held(.rolledBack): guard isContested else { return }
        case .active, .suspect, .held: break
        }
        summary.sealedState = summary.state
        summary.state = .held(isContested ? .conflict : .otherMachine)
    }
}
