internal import KeyCustody
internal import VaultAPI
internal import VaultCrypto

/// Opens a header with the first slot that works, and says precisely why none did.
struct Unlocking {
    let custodians: CustodianSet
    /// The only slot to try, by the beginning of its id; `nil` for all of them.
    let onlySlot: String?

    /// What opened, and what stood in the way before.
    struct Result {
        var key: DataKey
        var slot: SlotDescription
        /// Slots whose secret the keyring has definitely lost.
        var deadSlots: [SlotDescription]
    }

    /// Those that ask nobody come first, then those that ask; a recovery code is the last resort.
    private static let order: [SlotKind] = [
        .secretService, .keyFile, .secretServiceAndPassphrase, .passphrase, .recoveryCode,
    ]

    /// Opens `closed`, and looks at it again where a rotation puts new secrets in the place of those that its header
    /// asks for before they are read.
    func open(_ closed: inout ClosedVault, acceptsRollback: Bool) async throws(VaultError) -> Result {
        while true {
            let failure: VaultError
            do throws(VaultError) {
                return try await open(closed.header, at: closed.location.directory)
            } catch {
                failure = error
            }
            let now = try await ClosedVault.look(at: closed.store, ledger: closed.ledger, location: closed.location)
            guard now.bytes != closed.bytes else { throw failure }
            if !acceptsRollback { try now.requireNoRollback() }
            closed = now
        }
    }

    func open(_ header: Header, at directory: String) async throws(VaultError) -> Result {
        let slots = try candidates(in: header)
        var failures: [(slot: KeySlot, error: CustodyError)] = []
        var result: Result?
        for slot in slots where result == nil {
            do throws(CustodyError) {
                let key = try await key(of: slot, in: header)
                result = Result(key: key, slot: slot.description, deadSlots: [])
            } catch {
                guard error.code != .interrupted else { throw VaultError(error) }
                failures.append((slot, error))
            }
        }
        guard var result else { throw Self.explain(failures, at: directory) }
        custodians.passphrase.settle()
        result.deadSlots = failures.filter { failure in
            failure.error.code == .absent && failure.slot.description.kind.needsKeyring
        }.map(\.slot.description)
        return result
    }

    private func candidates(in header: Header) throws(VaultError) -> [KeySlot] {
        let known = header.knownSlots
        guard let onlySlot else {
            return Self.order.flatMap { kind in known.filter { $0.description.kind == kind } }
        }
        let matches = known.filter { hexadecimal($0.description.id).hasPrefix(onlySlot.lowercased()) }
        guard matches.count == 1, !onlySlot.isEmpty else {
            throw VaultError(
                .usage,
                matches.isEmpty ? "there is no slot \(onlySlot)" : "\(onlySlot) names more than one slot",
                hint: "vault key list shows them"
            )
        }
        return matches
    }

    private func key(of slot: KeySlot, in header: Header) async throws(CustodyError) -> DataKey {
        guard let custodian = custodians.custodian(for: slot.description.kind) else {
            throw CustodyError(.absent, "the slot \(slot.description.shortID) is of a kind this version does not know")
        }
        var last: CustodyError?
        for root in try await custodian.roots(for: slot, vault: header.vault.bytes) {
            do throws(CustodyError) {
                return try root.withSecret { (root) throws(CustodyError) in
                    do throws(CryptoError) {
                        return try DataKey(try Self.unwrap(slot, root, header.vault))
                    } catch {
                        throw CustodyError(error.code == .memory ? .unavailable : .wrongKey, error.message)
                    }
                }
            } catch {
                last = error
            }
        }
        throw last ?? CustodyError(.absent, "the slot \(slot.description.shortID) has no key")
    }

    /// Translates for the closure above, whose only error type is the cryptographic one.
    static func unwrap(
        _ slot: KeySlot,
        _ root: borrowing SecretBytes,
        _ vault: VaultID
    ) throws(CryptoError) -> SecretBytes {
        do throws(CustodyError) {
            return try slot.unwrap(under: root, vault: vault.bytes)
        } catch {
            throw CryptoError(error.code == .unavailable ? .memory : .authentication, error.message)
        }
    }

    /// One error out of what every slot said.
    ///
    /// Something typed that was wrong weighs most, then what no slot may ask for, then what only waits for a person.
    private static func explain(
        _ failures: [(slot: KeySlot, error: CustodyError)],
        at directory: String
    ) -> VaultError {
        func first(_ code: CustodyError.Code) -> CustodyError? { failures.first { $0.error.code == code }?.error }
        let sentences = failures.map { "\($0.slot.description.kind): \($0.error.message)" }
        let details = Set(sentences).count > 1 ? ". Tried " + unique(sentences).joined(separator: "; ") : ""
        let wrong = first(.wrongKey)
        if let error = wrong ?? first(.malformed) {
            // A wrong recovery code or passphrase, or a keyring item that is not this vault's.
            return VaultError(
                .wrongKey,
                "\(directory): wrong passphrase or key" + details,
                hint: error.hint ?? "try again; vault key list shows which slots there are",
                underlying: error
            )
        }
        for code in [CustodyError.Code.damaged, .unsafe, .excessive] {
            if let error = first(code) { return VaultError(error) }
        }
        let asking = failures.filter { $0.slot.description.kind.needsPassphrase && $0.error.code == .locked }
        if asking.isEmpty, let error = first(.unavailable) {
            return VaultError(
                .unavailable,
                "\(directory): " + error.message + details,
                hint: error.hint ?? "use another slot: vault key list shows them",
                underlying: error
            )
        }
        let locked = first(.locked)
        return VaultError(
            .locked,
            "\(directory) is locked: \(locked?.message ?? first(.absent)?.message ?? "it has no slot this version can open")"
                + details,
            hint: lockedHint(failures.map(\.slot.description.kind)),
            underlying: locked
        )
    }

    /// How a vault with such slots can be opened, by somebody who is there or by a script.
    private static func lockedHint(_ kinds: [SlotKind]) -> String {
        let typed = [SlotKind.passphrase, .secretServiceAndPassphrase, .recoveryCode].filter(kinds.contains)
        guard !typed.isEmpty else {
            guard kinds.contains(.secretService) else { return "bring the key file back to where it was" }
            return "unlock the keyring on the desktop, then run it again; vault status shows what is in the way"
        }
        let desktop = kinds.contains(.secretService) ? "unlock the keyring on the desktop, or " : ""
        let secret = typed == [.recoveryCode] ? "the recovery code" : "a passphrase or recovery code"
        return "\(desktop)vault unlock in a terminal, or --passphrase-file FILE, takes \(secret)"
    }

    private static func unique(_ sentences: [String]) -> [String] {
        var seen: Set<String> = []
        return sentences.filter { seen.insert($0).inserted }
    }
}
