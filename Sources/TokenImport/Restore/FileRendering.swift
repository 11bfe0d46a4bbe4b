internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A kept file with the tokens that its entries have now: every other byte is what it was.
struct FileRendering {
    let bytes: SharedSecret
    let sha256: [UInt8]
    /// Whose refresh token stands in it: whoever has the file may refresh these.
    let refreshable: Set<EntryName>
    let notes: [String]
    /// What differs from the kept file.
    let replacements: [Replacement]

    /// Puts the entries' tokens, and the times that go with them, where the old ones stand.
    ///
    /// - Parameter entries: By the pointers of their grants.
    /// - Throws: `.unsafe` where the file cannot say what the vault holds, `.failed` where it cannot be edited.
    static func of(
        _ original: KeptFile,
        _ entries: [String: EntryCopy],
        now: Timestamp
    ) throws(VaultError) -> FileRendering {
        var replacements: [Replacement] = []
        var notes: [String] = []
        var refreshable: Set<EntryName> = []
        for grant in original.text.contents.grants {
            guard let entry = entries[grant.value.pointer] else { continue }
            let name = entry.summary.name
            try requireSameClient(grant, entry.summary, original.path)
            let changes = try tokens(of: entry, for: grant, original.path)
            if grant.token(.refreshToken) != nil {
                refreshable.insert(name)
            } else if entry.secrets.has(.refreshToken) {
                notes.append(
                    "\(printable(original.path)) has no place for the refresh token of \(name), which stays in the vault"
                )
            }
            guard !changes.isEmpty else { continue }
            replacements += changes
            replacements += try times(of: entry.summary, for: grant, now)
        }
        guard !replacements.isEmpty else {
            return FileRendering(
                bytes: original.bytes,
                sha256: original.sha256,
                refreshable: refreshable,
                notes: notes,
                replacements: []
            )
        }
        let bytes = SharedSecret(try original.text.document.editor.replacing(replacements))
        let sha256 = bytes.withBytes { VaultCrypto.sha256($0) }
        let rendering = FileRendering(
            bytes: bytes,
            sha256: sha256,
            refreshable: refreshable,
            notes: notes,
            replacements: replacements
        )
        try rendering.check(original, entries, now)
        return rendering
    }

    /// The secrets that are others now.
    private static func tokens(
        of entry: EntryCopy,
        for grant: FoundGrant,
        _ path: String
    ) throws(VaultError) -> [Replacement] {
        var changes: [Replacement] = []
        for (field, value) in grant.secrets + grant.copies {
            guard let mine = try entry.secret(field) else {
                // An id token goes with the login, and a client's secret with the client: neither is spent.
                guard [.accessToken, .refreshToken, .secret].contains(field) else { continue }
                throw VaultError(
                    .unsafe,
                    "\(printable(path)) has a \(field.word) where \(entry.summary.name) has none any more; nothing was "
                        + "written",
                    hint: "log in with the program that owns the file"
                )
            }
            let old = try value.secret()
            guard !mine.withSecret({ $0.equals(old) }) else { continue }
            changes.append(Replacement(value: value, text: mine))
        }
        return changes
    }

    /// The times that go with another access token.
    private static func times(
        of entry: EntrySummary,
        for grant: FoundGrant,
        _ now: Timestamp
    ) throws(VaultError) -> [Replacement] {
        var changes: [Replacement] = []
        for time in grant.times {
            let instant: Timestamp
            switch time.meaning {
            // Where nothing is known of the new token's end, the owner had better refresh than believe the old one's.
            case .expiry: instant = entry.expiresAt ?? now
            case .issued: instant = entry.issuedAt ?? entry.refreshedAt ?? now
            }
            let old = try time.value.kind == .number ? time.value.numberText : time.value.fact() ?? ""
            let text = time.form.text(for: instant, like: old)
            guard text != old else { continue }
            do throws(CryptoError) {
                changes.append(
                    Replacement(value: time.value, text: SharedSecret(try SecretBytes(Array(text.utf8))))
                )
            } catch { throw VaultError(.unavailable, error.message, underlying: error) }
        }
        return changes
    }

    /// A refresh token is bound to its client (RFC 6749 §6): its owner could do nothing with another client's.
    private static func requireSameClient(
        _ grant: FoundGrant,
        _ entry: EntrySummary,
        _ path: String
    ) throws(VaultError) {
        guard let file = grant.summary.clientID, let mine = entry.clientID, file != mine else { return }
        throw VaultError(
            .unsafe,
            "\(entry.name) belongs to the client \(printable(mine)) now, and \(printable(path)) to \(printable(file)); "
                + "nothing was written",
            hint: "log in with the program that owns the file"
        )
    }

    /// What was written must read as what was meant: the same grants, with the entries' tokens.
    private func check(
        _ original: KeptFile,
        _ entries: [String: EntryCopy],
        _ now: Timestamp
    ) throws(VaultError) {
        let text = try KeptFile(bytes, sha256: sha256, at: original.path, format: original.format, now: now).text
        let before = original.text.contents.grants
        var isSame = text.contents.grants.map(\.value.pointer) == before.map(\.value.pointer)
        for grant in text.contents.grants {
            guard let entry = entries[grant.value.pointer] else { continue }
            for (field, value) in grant.secrets + grant.copies {
                guard let mine = try entry.secret(field) else { continue }
                let written = try value.secret()
                if !mine.withSecret({ $0.equals(written) }) { isSame = false }
            }
        }
        guard isSame else {
            throw VaultError(
                .failed,
                "the tokens cannot be put into \(printable(original.path)) without changing more than them; nothing was "
                    + "written",
                hint: "log in with the program that owns the file"
            )
        }
    }
}

/// The bytes that a file had when it was imported, taken apart.
struct KeptFile {
    let path: String
    let format: String
    let bytes: SharedSecret
    let sha256: [UInt8]
    let text: FileText

    init(
        _ bytes: SharedSecret,
        sha256: [UInt8],
        at path: String,
        format: String,
        now: Timestamp
    ) throws(VaultError) {
        self.path = path
        self.format = format
        self.bytes = bytes
        self.sha256 = sha256
        text = try FileText.of(
            bytes,
            sha256: sha256,
            at: path,
            format: format,
            options: ImportOptions(),
            now: now,
            modified: now
        )
    }

    /// What leaves the file with the grants at these pointers.
    func members(of pointers: Set<String>) -> [JSONValue] {
        let grants = text.contents.grants.filter { pointers.contains($0.value.pointer) }
        let members = grants.flatMap { $0.members + ($0.secrets + $0.copies).map(\.value) }.filter { $0.parent != nil }
        return TokenRemoval.outermost(members)
    }

    /// Whether these bytes are what is left of it when the grants at these pointers are taken out.
    func isWhatIsLeft(_ bytes: SharedSecret, without pointers: Set<String>) -> Bool {
        guard let left = try? text.document.editor.removing(members(of: pointers)) else { return false }
        return bytes.withSecret { $0.equals(left) }
    }
}
