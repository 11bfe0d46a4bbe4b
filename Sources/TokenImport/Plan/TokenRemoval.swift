internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Takes grants that are safely in the vault out of their file.
///
/// What stays is kept byte for byte; a file in which nothing of value stays is deleted, which to the tools that own
/// these files means "logged out". Between the last comparison and the rename lies an instant in which the owner may
/// still write: it is as short as two system calls, and only the owner's own lock, where it has one, closes it.
struct TokenRemoval {
    let reading: FileReading
    let machine: Machine

    /// Removes the grants at these pointers and says how.
    ///
    /// - Throws: `.unsafe` for a link or a file with a second name, `.temporary` for one that is no longer what was
    ///   sealed. The file is then as it was.
    func remove(_ pointers: Set<String>) throws(VaultError) -> ImportOutcome.Removal {
        try ForeignItem.refuseRemoval(from: reading.file.path, of: reading.format.facts)
        let file = TokenPath(reading.file.path)
        // Only where the owner itself would look for them: a copy elsewhere has no owner at work.
        let isOwners = reading.format.facts.places.contains { $0.matches(file.path, on: machine) }
        let locks = isOwners ? reading.format.facts.locks : []
        return try OwnerLock.holding(locks.map { ($0.kind, $0.path(for: file)) }) { () throws(VaultError) in
            try removeUnderLock(pointers)
        }
    }

    private func removeUnderLock(_ pointers: Set<String>) throws(VaultError) -> ImportOutcome.Removal {
        let path = reading.file.path
        let grants = reading.contents.grants.filter { pointers.contains($0.value.pointer) }
        let members = grants.flatMap { $0.members + ($0.secrets + $0.copies).map(\.value) }.filter { $0.parent != nil }
        let removed = Set(members.map(\.index))
        let kept = reading.contents.grants.filter { !pointers.contains($0.value.pointer) }
        if let editor = reading.document.editor as? any InPlaceEditor {
            let cut = Self.outermost(members)
            try check(SharedSecret(try editor.removing(cut)), without: cut)
            try editor.remove(cut, from: reading.file)
            return .edited
        }
        if isWorthless(without: removed, beside: kept) {
            _ = try confirm(path)
            try withFiles { () throws(FileError) in try PrivateFiles.remove(path) }
            return .deleted
        }
        let cut = Self.outermost(members)
        let edited = SharedSecret(try reading.document.editor.removing(cut))
        try check(edited, without: cut)
        let status = try confirm(path)
        try withFiles { () throws(FileError) in
            try edited.withBytes { (bytes) throws(FileError) in
                try PrivateFiles.replace(path, contents: bytes, mode: status.mode & 0o777)
            }
        }
        return .edited
    }

    /// Whether nothing would be left but what describes grants that are gone.
    private func isWorthless(without removed: Set<Int32>, beside kept: [FoundGrant]) -> Bool {
        let root = reading.document.root
        guard root.kind == .object || root.kind == .array, !reading.format.keepsFile else { return false }
        // A grant that stays, for whatever reason, makes all it stands in worth keeping.
        guard kept.isEmpty else { return false }
        return root.children.allSatisfy { child in
            removed.contains(child.index) || child.kind == .null || reading.format.chaff.contains(child.name)
                || isEmpty(child, without: removed)
        }
    }

    /// Whether a container holds nothing, or nothing any more.
    private func isEmpty(_ value: JSONValue, without removed: Set<Int32>) -> Bool {
        guard value.kind == .object || value.kind == .array else { return false }
        return value.children.allSatisfy { removed.contains($0.index) }
    }

    /// The members that do not stand inside another one of them.
    static func outermost(_ members: [JSONValue]) -> [JSONValue] {
        let removed = Set(members.map(\.index))
        return members.filter { member in
            var above = member.parent
            while let container = above {
                if removed.contains(container.index) { return false }
                above = container.parent
            }
            return true
        }
    }

    /// The edited text has to say what the file said, without the members that were cut: what its owner could not read
    /// would cost more than a token.
    private func check(_ edited: SharedSecret, without cut: [JSONValue]) throws(VaultError) {
        let document = reading.document
        let expected = try JSONDocument(
            SharedSecret(try JSONEdit(document: document.view).removing(cut)),
            subject: document.view.subject
        )
        let found = try SourceDocument.read(
            edited,
            as: document.syntax,
            at: TokenPath(reading.file.path),
            subject: document.view.subject
        )
        guard found.root.says(whatIsSaidBy: expected.root) else {
            throw VaultError(
                .failed,
                "\(document.view.subject) cannot be edited without changing more than its tokens; it is left as it is",
                hint: "take them out by hand, then: vault import \(document.view.subject)"
            )
        }
    }

    /// Opens the file once more and compares all of it with what was sealed.
    private func confirm(_ path: String) throws(VaultError) -> FileStatus {
        let current = try TokenFile.read(path)
        guard current.status.links == 1 else {
            throw VaultError(
                .unsafe,
                "\(printable(path)) has \(current.status.links) names (hard links); taking the token out of one leaves "
                    + "it in the others",
                hint: "remove the other names and import again with --remove"
            )
        }
        let same = current.bytes.withSecret { now in
            reading.file.bytes.withSecret { then in now.equals(then) }
        }
        guard same, current.status.device == reading.file.status.device,
            current.status.inode == reading.file.status.inode
        else {
            throw VaultError(
                .temporary,
                "\(printable(path)) changed after it was sealed and is left as it is",
                hint: "end the program that owns it and import again with --remove"
            )
        }
        return current.status
    }
}
