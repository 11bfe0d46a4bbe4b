internal import Glibc
internal import PrivateFiles

/// What the directories of a store look like from outside: a number that differs once somebody put a file into one of
/// them, replaced one or took one away.
///
/// It is made of their modification times, which sync tools change as well: Syncthing, Dropbox, Nextcloud and rsync
/// rename a finished file into place, git removes and creates. A file that is written over in place changes no directory;
/// whoever reads it sees the new bytes, and only a cache that trusts the counter does not hear of it.
///
/// Those times come from a clock that ticks every few milliseconds, on some file systems every two seconds, and two
/// changes within one tick would look like one. So whoever takes a stamp to remember it puts back the time of each
/// directory that was changed just now: any later change gives it a time of its own.
struct DirectoryStamp {
    let layout: DirectoryLayout

    private static let second: Int64 = 1_000_000_000

    /// The stamp as it is.
    func current() throws(StoreError) -> UInt64 {
        try translatingFileErrors { () throws(FileError) in
            try stamp { (path) throws(FileError) in try FileStatus.of(path) }
        }
    }

    /// The stamp to be remembered; what changes after this call changes it.
    func settled() throws(StoreError) -> UInt64 {
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let now = Int64(clock.tv_sec) * Self.second + Int64(clock.tv_nsec)
        let past = now - 4 * Self.second
        return try translatingFileErrors { () throws(FileError) in
            try stamp { (path) throws(FileError) in
                guard let status = try FileStatus.of(path) else { return nil }
                guard status.modifiedNanoseconds > now - 3 * Self.second, status.kind == .directory else {
                    return status
                }
                let time = timespec(tv_sec: Int(past / Self.second), tv_nsec: Int(past % Self.second))
                guard utimensat(AT_FDCWD, path, [time, time], AT_SYMLINK_NOFOLLOW) == 0 else {
                    throw FileError.system("set the time of", path)
                }
                return try FileStatus.of(path)
            }
        }
    }

    private func stamp(_ look: (String) throws(FileError) -> FileStatus?) throws(FileError) -> UInt64 {
        var sum = Sum.empty
        if let header = try look(layout.header) {
            sum = Sum.of(header.inode, UInt64(bitPattern: header.modifiedNanoseconds), from: sum)
            sum = Sum.of(UInt64(bitPattern: header.size), from: sum)
        }
        guard let entries = try look(layout.entries) else { return sum }
        sum = Sum.of(entries.inode, UInt64(bitPattern: entries.modifiedNanoseconds), from: sum)
        for (byte, shard) in layout.shards.enumerated() {
            guard let status = try look(shard) else { continue }
            let time = UInt64(bitPattern: status.modifiedNanoseconds)
            sum = Sum.of(UInt64(byte), status.inode, time, from: sum)
        }
        return sum
    }
}
