internal import Glibc
internal import PrivateFiles

/// Takes away what killed processes left half done.
struct DirectoryTidying {
    let layout: DirectoryLayout
    /// In seconds since 1970.
    let now: Int

    private static let age = 3600

    /// What there is to be taken away; needs no lock.
    func left() throws(StoreError) -> [String] {
        try SyncedFiles.names(in: layout.making).map { "\(layout.making)/\($0)" }.filter(isLeft)
    }

    /// Under the lock, when nobody on this machine is writing.
    func run() throws(StoreError) {
        for path in try left() { try tidy(path) }
    }

    /// A file in the making that was put there an hour ago: perhaps by another machine, which is still at it.
    ///
    /// The time of the name counts, not that of the contents: a sync tool keeps the latter, and a file on its way out of
    /// its place is as old as it is.
    private func isLeft(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_ctim.tv_sec < now - Self.age
    }

    /// Removes what is not whole, and what the entry's own file is or has overtaken; the rest may be the only one.
    private func tidy(_ path: String) throws(StoreError) {
        guard let bytes = try SyncedFiles.read(path) else { return }
        switch SealedFile.read(bytes) {
        case .record(let left):
            let kept = try layout.readFile(of: left.id)
            if kept == bytes { break }
            guard let kept, case .record(let current) = SealedFile.read(kept), left.generation < current.generation
            else { return try layout.setAside(path) }
        case .header(let left):
            guard left.generation < (try layout.readHeader().generation) else { return try layout.setAside(path) }
        case .later: return try layout.setAside(path)
        case .broken, .foreign: break
        }
        _ = unlink(path)
    }
}
