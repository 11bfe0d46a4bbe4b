internal import Synchronization
public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// An entry under its exclusive lease: no other writer, here or in another process, changes it until it is released.
public final class LeasedEntry: Sendable {
    /// The entry's UUID.
    public let id: EntryID
    /// The name it had when the lease was taken; nobody renames it meanwhile.
    public let name: EntryName
    private let vault: Vault
    private let lease: Lease
    /// What was written last under this lease.
    private let last = Mutex<SealedChange?>(nil)

    fileprivate init(_ vault: Vault, id: EntryID, name: EntryName, lease: Lease) {
        self.vault = vault
        self.id = id
        self.name = name
        self.lease = lease
    }

    /// The entry as it is now.
    ///
    /// - Throws: `.notFound` if it has gone.
    public func read() async throws(VaultError) -> OpenedEntry { try await vault.read(name) }

    /// Changes the entry; durable when it returns.
    ///
    /// `change` may be called more than once.
    ///
    /// - Parameter token: The fingerprint of the refresh token that the entry must hold: what it held when the change was
    ///   decided may have been read from a cache, and a sync tool knows no leases.
    /// - Throws: `.temporary`, and `isEntryReplaced`, if it holds another one, or another entry has its name by now.
    @discardableResult
    package func update(
        ifHolding token: TokenFingerprint? = nil,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary {
        try await vault.attempt { session in
            let sealed = try await self.vault.change(self.name, session) { (summary, secrets) throws(VaultError) in
                guard summary.id == self.id, token == nil || secrets.fingerprint(.refreshToken) == token else {
                    throw VaultError(
                        .temporary,
                        "\(self.name) was changed by another program while it was refreshed",
                        hint: "ask again",
                        underlying: EntryReplaced()
                    )
                }
                try change(&summary, &secrets)
            }
            let summary = try await self.vault.write(sealed, session, holding: self.lease)
            self.last.withLock { $0 = sealed }
            return summary
        }
    }

    /// Whether the lease can end before its holder does: one who was stopped, or cut off from the store.
    public var isFenced: Bool { lease.fence != nil }

    /// Whether nobody else can have the entry at that time of the boot-time clock, in milliseconds.
    ///
    /// Nothing is taken off for how long the request may take: whoever comes next finds the journal, and leaves the token
    /// alone until the answer has had time to arrive.
    public func isHeld(at bootTime: UInt64) -> Bool { lease.fence.map { bootTime < $0.heldUntil() } ?? true }

    /// Makes sure that there is room for a change whose loss would lose a grant.
    ///
    /// - Parameter token: The fingerprint of the refresh token that will be spent; `nil` for one that is not.
    /// - Throws: `.unavailable` if no place can be prepared; `.loginRequired` if a file that was set aside says that the
    ///   token is spent.
    package func prepareSpill(for token: TokenFingerprint?) async throws(VaultError) -> SpillFile {
        let size = try await vault.attempt { session in
            try await self.vault.find(RecordName(self.name), in: session).stored.sealed.count
        }
        return try SpillFile.prepare(vault.spillPlaces, for: self, spending: token, recordBytes: size)
    }

    /// Takes in what the server has given for a refresh token; if that cannot be committed, the sealed change goes into
    /// `spill`, and the next opener of the vault commits it.
    ///
    /// Something must have been written under this lease before: the journal. Where a sync tool has put another grant in
    /// the entry's place since, that one stays there, and the change becomes a second version of the entry.
    ///
    /// - Throws: What the commit threw; the message says where the change is kept, or that it is lost.
    @discardableResult
    package func update(
        orSpillInto spill: SpillFile,
        spent: TokenFingerprint,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary {
        do {
            return try await update(ifHolding: spent, change)
        } catch {
            if error.isEntryReplaced, let last = last.withLock({ $0 }),
                await vault.putBeside(last, change)
            {
                throw VaultError(
                    .temporary,
                    "\(error.message); both versions are kept",
                    hint: "vault store conflicts shows them, vault store resolve \(name) chooses",
                    underlying: error
                )
            }
            let kept: String
            do {
                guard let last = last.withLock({ $0 }) else {
                    preconditionFailure("VaultCore: a spill without a journal")
                }
                // Under the spill key as it was before the commit failed; after a rotation elsewhere it is in the header.
                let record = try vault.successor(of: last, under: try vault.current.key.spillKey(), change)
                kept = try spill.write(SpilledRecord(record: record, spent: spent.bytes))
            } catch let second {
                throw VaultError(
                    .unavailable,
                    "\(name): the server gave new tokens, and they could not be kept: \(error.message); \(second)",
                    hint: "make room, then log in again: vault login \(name.name)",
                    underlying: error
                )
            }
            if error.isEntryReplaced {
                throw VaultError(
                    .temporary,
                    "\(error.message); what the server gave for the one before is kept sealed in \(kept)",
                    hint: "ask again",
                    underlying: error
                )
            }
            let remedy =
                error.isStoreUnreachable || error.isLeaseLost ? "reach the store again" : "make room for the vault"
            throw VaultError(
                .unavailable,
                "\(name): the server gave new tokens, and the vault cannot be written: \(error.message); they are kept "
                    + "sealed in \(kept)",
                hint: "\(remedy), and run any vault command: it takes them in",
                underlying: error
            )
        }
    }

    /// Removes the entry.
    public func remove() async throws(VaultError) {
        try await vault.attempt { session in
            let found = try await self.vault.find(RecordName(self.name), in: session)
            try await self.vault.delete(found, session, holding: self.lease)
        }
    }

    /// Lets others at the entry.
    public func release() { lease.release() }
}

/// Marks the failure of a change to an entry in whose place there is another grant.
private struct EntryReplaced: Error {}

extension VaultError {
    /// Whether a change was decided on a grant that is not the entry's any more; nothing was changed.
    package var isEntryReplaced: Bool {
        underlying is EntryReplaced || (underlying as? VaultError)?.isEntryReplaced == true
    }
}

extension Vault {
    /// How long a journal that was written on another machine is left alone where a lease can end before its holder.
    ///
    /// Its holder may be stopped or cut off with the answer in hand. The request is over 45 s after its journal (15 s to
    /// send, 30 s for the whole of it); the rest is for a holder to come back, to find its commit refused, and to bring
    /// in what it was given. One that was killed delays the next request by no more than this.
    private static let graceSeconds: Int64 = 120
    /// How far ahead another machine's clock may be; one that is more so makes nobody wait.
    private static let mostClockSkewSeconds: Int64 = 900

    /// How much of that is left; `nil` for nothing.
    ///
    /// - Parameter written: When the journal was written, by the clock of whoever wrote it.
    public static func graceLeft(since written: Timestamp, now: Timestamp) -> Int64? {
        let age = now.seconds - written.seconds
        return (-mostClockSkewSeconds..<graceSeconds).contains(age) ? graceSeconds - age : nil
    }

    /// How long a waiter waits for another that is changing or refreshing the same entry.
    public static let leasePatience = Duration.seconds(90)

    /// The entry of that name, for the caller alone, with whatever tokens an earlier refresh could not store.
    ///
    /// - Parameter forNewGrant: Whether a whole new grant takes the place of what is there. Then tokens of the old one
    ///   that cannot be read are no reason to lose the new one.
    /// - Throws: `.notFound`; `.unavailable` when the time is over; `.unsafe` or `.unavailable` if there may be such
    ///   tokens, and they cannot be read.
    public func lease(
        _ name: EntryName,
        within limit: Duration = Vault.leasePatience,
        forNewGrant: Bool = false
    ) async throws(VaultError) -> LeasedEntry {
        try await attempt(within: Self.leasePatience + .seconds(Self.patienceSeconds)) { session in
            // As it is read below: of two versions, the one that was issued later, which may be of another entry.
            let place = try await self.find(RecordName(name), in: session)
            let hint = try await self.summary(try await self.latest(place, session), session).summary
            let lease = try await self.lease(hint.id, within: limit)
            // It may have been renamed, or replaced by another of that name, while we waited.
            do {
                do throws(VaultError) { try await self.adoptSpill(of: hint.id, holding: lease) } catch {
                    if !forNewGrant { throw error }
                }
                let found = try await self.summary(of: name)
                guard found.id == hint.id else {
                    throw StoreError(
                        .conflict,
                        self.location.directory,
                        "the entry was replaced while it was waited for"
                    )
                }
            } catch {
                lease.release()
                throw error
            }
            return LeasedEntry(self, id: hint.id, name: name, lease: lease)
        }
    }

    /// A lease that keeps everybody else from logging in by that name; `nil` while somebody is.
    ///
    /// It goes by the name, because the entry may not exist yet, and it delays no refresh.
    public func tryLoginLease(_ name: EntryName) async throws(VaultError) -> LoginLease? {
        var hash = Blake2b(length: 16)
        hash.update("vault login lease")
        hash.update(id.bytes)
        hash.update(Array(name.description.utf8))
        guard let lease = LeaseName(hash.finish()) else {
            preconditionFailure("VaultCore: a hash of a wrong size")
        }
        do throws(StoreError) {
            return try await store.tryLease(lease).map(LoginLease.init)
        } catch {
            throw VaultError(error)
        }
    }
}

/// Held while a person is logging in by one name.
public final class LoginLease: Sendable {
    private let lease: Lease

    fileprivate init(_ lease: Lease) { self.lease = lease }

    /// Lets others log in by that name.
    public func release() { lease.release() }
}
