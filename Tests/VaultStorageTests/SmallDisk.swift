import Glibc
import Testing

/// A file system of its own for one test, of a size that can be filled and that can turn read-only.
final class SmallDisk: Sendable {
    let path: String
    private let place: TemporaryDirectory

    /// Where mounting is not allowed there is no such disk; the tests that want one are skipped and say so.
    static let isPossible: Bool = {
        do {
            _ = try SmallDisk(bytes: 65536)
            return true
        } catch {
            print("skipped: tests of full and read-only disks need to mount a tmpfs (\(error))")
            return false
        }
    }()

    init(bytes: Int) throws {
        place = try TemporaryDirectory()
        path = place("disk")
        try check(mkdir(path, 0o700), "mkdir")
        try check(mount("vault-test", path, "tmpfs", 0, "size=\(bytes),mode=0700"), "mount")
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    func setReadOnly(_ readOnly: Bool) throws {
        let flags = MS_REMOUNT | (readOnly ? MS_RDONLY : 0)
        // A program that another test is just starting has our descriptors until it executes.
        var result = mount("vault-test", path, "tmpfs", UInt(flags), nil)
        for _ in 0..<100_000 where result != 0 && errno == EBUSY {
            sched_yield()
            result = mount("vault-test", path, "tmpfs", UInt(flags), nil)
        }
        try check(result, "remount")
    }

    /// Writes a file until nothing fits any more.
    func fill(_ name: String = "filler") throws {
        let file = try #require(fopen("\(path)/\(name)", "we"))
        setvbuf(file, nil, _IONBF, 0)
        for size in [4096, 1] {
            let piece = [UInt8](repeating: 1, count: size)
            while fwrite(piece, 1, size, file) == size {}
        }
        fclose(file)
    }

    func unfill(_ name: String = "filler") throws {
        try check(unlink("\(path)/\(name)"), "unlink")
    }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}
