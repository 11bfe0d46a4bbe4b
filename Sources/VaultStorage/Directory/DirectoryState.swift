internal import CVaultSystem
internal import Glibc
internal import PrivateFiles

/// What this machine knows of a directory store, and the lock of those who write it: a file beside the leases.
///
/// ```
/// <locks>/directory       0600   1,024 bytes: two slots at 0 and 512, written in turn; never renamed or removed
///     magic 4, counter 8, stamp 8, sum 8
/// ```
///
/// The counter is written in place and not beside it, so that a commit costs one more sync and not three; a slot that
/// a power failure tore does not give its sum, and the other one counts. The lock is on a byte beyond the end.
struct DirectoryState: Sendable {
    /// How many changes this machine has seen, and what the directories looked like after the last one.
    struct Seen: Hashable {
        var counter: UInt64
        var stamp: UInt64
    }

    let path: String
    private let locks: String

    private static let magic: [UInt8] = [0x56, 0x4C, 0x54, 0x44]
    private static let slotLength = 4 + 8 + 8 + 8
    private static let slotDistance: Int64 = 512
    private static let size = 1024
    private static let lockOffset: Int64 = 1 << 40

    init(locks: String) {
        self.locks = PrivateFiles.withoutTrailingSlashes(locks)
        path = "\(self.locks)/directory"
    }

    /// What was seen last, without waiting for anybody; `nil` where nothing was.
    func seen() throws(StoreError) -> Seen? {
        do throws(FileError) {
            return try Self.seen(in: try PrivateFiles.open(path))?.seen
        } catch {
            if error.code == .absent { return nil }
            throw StoreError(error)
        }
    }

    /// Waits for the lock; on a thread that may wait.
    func lock() throws(StoreError) -> Held {
        let waiting = BusyWaiting()
        var attempt = 0
        while true {
            let locked = try translatingFileErrors { () throws(FileError) -> Held? in
                let descriptor = try open()
                let result = vault_try_lock_range(descriptor.rawValue, Self.lockOffset, 1)
                if result == EAGAIN { return nil }
                guard result == 0 else { throw FileError.system("lock", path, result) }
                // Whoever removed the state took the name away: a lock on the old file excludes nobody.
                let (opened, named) = (try descriptor.status(), try FileStatus.of(path))
                guard let named, FileIdentity(opened) == FileIdentity(named) else { return nil }
                return Held(descriptor)
            }
            if let locked { return locked }
            guard waiting.triesAgain(attempt: attempt) else {
                throw StoreError(
                    .unavailable,
                    path,
                    "another process has been changing the vault for \(BusyWaiting.limit.components.seconds) s",
                    hint: LeaseWaiting.searchHere
                )
            }
            attempt += 1
        }
    }

    /// The lock, held until it goes.
    final class Held: Sendable {
        private let descriptor: Descriptor

        fileprivate init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

        func seen() throws(StoreError) -> Seen? {
            try translatingFileErrors { () throws(FileError) in try DirectoryState.seen(in: descriptor)?.seen }
        }

        /// Remembers, durably, in the slot that does not hold what counted until now.
        func remember(_ seen: Seen) throws(StoreError) {
            try translatingFileErrors { () throws(FileError) in
                let last = try DirectoryState.seen(in: descriptor)?.slot ?? 1
                var bytes = DirectoryState.magic
                bytes.append(bigEndian: seen.counter)
                bytes.append(bigEndian: seen.stamp)
                bytes.append(bigEndian: Sum.of(bytes))
                try descriptor.write(bytes, at: (1 - last) * DirectoryState.slotDistance)
                try descriptor.synchronize()
            }
        }
    }

    private static func seen(in file: borrowing Descriptor) throws(FileError) -> (seen: Seen, slot: Int64)? {
        var best: (seen: Seen, slot: Int64)?
        for slot in 0...1 as ClosedRange<Int64> {
            let bytes = try file.read(upTo: slotLength, at: slot * slotDistance)
            guard bytes.count == slotLength, bytes.starts(with: magic),
                Sum.of(bytes.dropLast(8)) == UInt64(bigEndian: bytes.suffix(8))
            else { continue }
            let seen = Seen(
                counter: UInt64(bigEndian: bytes[4..<12]),
                stamp: UInt64(bigEndian: bytes[12..<20])
            )
            if best.map({ $0.seen.counter < seen.counter }) ?? true { best = (seen, slot) }
        }
        return best
    }

    private func open() throws(FileError) -> Descriptor {
        do {
            return try PrivateFiles.open(path, forWriting: true)
        } catch {
            guard error.code == .absent else { throw error }
        }
        try PrivateFiles.makeDirectory(locks)
        // With all its room taken, so that a full disk does not keep a change from being counted.
        do {
            let file = try NewFile(for: path)
            try file.write([UInt8](repeating: 0, count: Self.size))
            try file.publish()
        } catch {
            guard error.code == .exists else { throw error }
        }
        return try PrivateFiles.open(path, forWriting: true)
    }
}
