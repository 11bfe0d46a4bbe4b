internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import Synchronization

/// The file whose bytes leases lock.
///
/// It is empty and stays so: a lock may lie beyond the end of a file. It is never renamed, replaced or removed while there
/// is a vault, because two processes with two files under one name would exclude nobody. The locks are open-file-description
/// locks: each lease opens the file anew, so two in one process exclude each other as two processes do, and the kernel
/// frees the lock with the last descriptor, however its process ends.
package struct LeaseFile: Sendable {
    package let path: String
    private let directory: String

    package init(directory: String) {
        self.directory = PrivateFiles.withoutTrailingSlashes(directory)
        path = "\(self.directory)/leases"
    }

    package func tryLease(_ name: LeaseName) throws(StoreError) -> Lease? {
        try translatingFileErrors { () throws(FileError) in
            let descriptor = try open()
            let result = vault_try_lock_range(descriptor.rawValue, Self.offset(of: name), 1)
            if result == EAGAIN { return nil }
            guard result == 0 else { throw FileError.system("lock", path, result) }
            let held = LockedDescriptor(descriptor)
            return Lease { held.close() }
        }
    }

    private func open() throws(FileError) -> Descriptor {
        try PrivateFiles.makeDirectory(directory)
        do {
            return try PrivateFiles.open(path, forWriting: true)
        } catch {
            guard error.code == .absent else { throw error }
        }
        // Published whole, mode included, so that nobody finds it half made. Losing the race is as good.
        do {
            try PrivateFiles.create(path, contents: UnsafeRawBufferPointer(start: nil, count: 0))
        } catch {
            guard error.code == .exists else { throw error }
        }
        return try PrivateFiles.open(path, forWriting: true)
    }

    /// Which byte stands for a name.
    ///
    /// FNV-1a over the name, cut to 62 bits because a lock must end below 2^63. Two names that share a byte exclude
    /// each other needlessly and do no harm. Every version must agree on it.
    static func offset(of name: LeaseName) -> Int64 {
        let hash = name.bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { hash, byte in
            (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        return Int64(hash >> 2)
    }
}

/// A locked descriptor, until it is closed.
private final class LockedDescriptor: Sendable {
    private let descriptor: Mutex<Descriptor?>

    init(_ descriptor: consuming Descriptor) {
        self.descriptor = Mutex(descriptor)
    }

    func close() {
        descriptor.withLock { descriptor in
            // A process that is just being started holds a copy until it runs its program, and the lock with it.
            if let number = descriptor?.rawValue { vault_unlock_all(number) }
            descriptor = nil
        }
    }
}
