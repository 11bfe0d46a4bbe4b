internal import CVaultSystem
internal import Glibc
internal import PrivateFiles

/// One file that is made, replaced or taken away: prepared in a place of its own, done, and taken back exactly where another
/// step of the same commit fails.
///
/// A sync tool asks for no lock. So a file is never renamed over another one: the two are exchanged, and what came out
/// is looked at. If it is not what the commit expected, the exchange is taken back, and the other machine's version
/// stays where it was put.
final class FileStep {
    let path: String
    /// The bytes of the new file; `nil` deletes.
    let new: [UInt8]?
    /// The bytes of the file that the change was decided on; `nil` where there was none.
    let old: [UInt8]?
    private let directory: String
    private let making: String
    /// Holds the new file until it is in place, and what was there from then on.
    private let beside: String
    private var isBeside = false
    private var isDone = false
    private var hasExchanged = true

    init(_ path: String, new: [UInt8]?, old: [UInt8]?, making: String) {
        self.making = making
        self.path = path
        self.new = new
        self.old = old
        directory = PrivateFiles.parentDirectory(of: path)
        let name = path.dropFirst(directory.utf8.count + 1)
        let random = String(UInt64.random(in: .min ... .max), radix: 36)
        beside = "\(making)/\(name).\(random)"
    }

    deinit {
        if isBeside { _ = unlink(beside) }
    }

    /// Takes all the room that the change needs, and changes nothing.
    func prepare() throws(StoreError) {
        try SyncedFiles.makeDirectory(making)
        try translatingFileErrors { () throws(FileError) in try write() }
    }

    private func write() throws(FileError) {
        guard let new else { return }
        let descriptor = try Descriptor.create(beside)
        isBeside = true
        var failure: FileError?
        new.withUnsafeBytes { bytes in
            do throws(FileError) { try descriptor.write(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        try descriptor.synchronize()
        try descriptor.close()
    }

    /// Does it, without a sync of the directory.
    ///
    /// - Throws: `.conflict` where the file is not, or no longer, the one expected; it is left as it is.
    func perform() throws(StoreError) {
        switch (new, old) {
        case (nil, nil): return
        case (_, nil): try place()
        case (nil, _): try take()
        case (_, let old?): try exchange(old)
        }
        isDone = true
    }

    /// Takes back what `perform` did.
    func undo() throws(FileError) {
        guard isDone else { return }
        switch (new, old) {
        case (nil, nil): break
        case (_, nil): try takeBack()
        case (nil, _): try putBack()
        case (_, let old?):
            if hasExchanged { try exchangeBack() } else { try rewrite(old) }
        }
        isDone = false
    }

    /// Makes what was done durable, or what was undone.
    static func synchronize(_ steps: [FileStep]) throws(FileError) {
        for directory in Set(steps.map(\.directory)) where try FileStatus.of(directory) != nil {
            try PrivateFiles.synchronizeDirectory(directory)
        }
    }

    private func place() throws(StoreError) {
        let result = vault_rename_exclusive(beside, path)
        guard result != EEXIST else { throw changed() }
        guard result == 0 else { throw StoreError(FileError.system("create", path, result)) }
        isBeside = false
    }

    private func take() throws(StoreError) {
        let result = vault_rename_exclusive(path, beside)
        guard result != ENOENT else { throw changed() }
        guard result == 0 else { throw StoreError(FileError.system("remove", path, result)) }
        guard holds(beside, old) else {
            try translatingFileErrors { () throws(FileError) in try putBack() }
            throw changed()
        }
        isBeside = true
    }

    private func exchange(_ old: [UInt8]) throws(StoreError) {
        let result = vault_rename_exchange(beside, path)
        switch result {
        case 0:
            guard holds(beside, old) else {
                try translatingFileErrors { () throws(FileError) in try exchangeBack() }
                throw changed()
            }
        case ENOENT: throw changed()
        case EINVAL, ENOSYS:
            // A file system that cannot exchange: the best there is is a look right before.
            guard holds(path, old) else { throw changed() }
            guard rename(beside, path) == 0 else { throw StoreError(FileError.system("replace", path)) }
            isBeside = false
            hasExchanged = false
        default: throw StoreError(FileError.system("replace", path, result))
        }
    }

    /// Whether a file is the one that the change was decided on, or that it made; one that cannot be read is neither.
    private func holds(_ path: String, _ bytes: [UInt8]?) -> Bool {
        do throws(StoreError) { return try SyncedFiles.read(path) == bytes } catch { return false }
    }

    // Where these two fail, the file stays under the name beside, as what nobody is to remove: it is no entry then, but
    // not lost.
    private func putBack() throws(FileError) {
        isBeside = false
        let result = vault_rename_exclusive(beside, path)
        // Another machine's version came in between, and stays in place.
        guard result == 0 || result == EEXIST else { throw FileError.system("put back", path, result) }
    }

    private func exchangeBack() throws(FileError) {
        isBeside = false
        let result = vault_rename_exchange(beside, path)
        guard result == 0 else { throw FileError.system("put back", path, result) }
        guard holds(beside, new) else {
            // The same here. The old one is kept under the name beside, for the tidying to look at.
            _ = vault_rename_exchange(beside, path)
            return
        }
        isBeside = true
    }

    private func takeBack() throws(FileError) {
        let result = vault_rename_exclusive(path, beside)
        guard result != ENOENT else { return }
        guard result == 0 else { throw FileError.system("remove", path, result) }
        guard holds(beside, new) else { return try putBack() }
        isBeside = true
    }

    private func rewrite(_ old: [UInt8]) throws(FileError) {
        guard holds(path, new) else { return }
        let back = FileStep(path, new: old, old: nil, making: making)
        try back.write()
        guard rename(back.beside, path) == 0 else { throw FileError.system("put back", path) }
        back.isBeside = false
    }

    private func changed() -> StoreError {
        StoreError(.conflict, path, "was changed by another program in the same moment; nothing was changed")
    }
}
