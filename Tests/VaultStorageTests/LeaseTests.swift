import Foundation
import Synchronization
import TestSupport
import Testing

@testable import VaultStorage

@Suite(.blocking)
struct LeaseTests {
    /// A process that holds the lock by its own means, which pins where each name's byte lies.
    private static let holder = """
        import fcntl, os, struct, sys
        name = bytes.fromhex(sys.argv[2])
        hash = 0xcbf29ce484222325
        for byte in name:
            hash = (hash ^ byte) * 0x100000001b3 % 2**64
        file = os.open(sys.argv[1], os.O_RDWR)
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, hash >> 2, 1, 0)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, lock)
            print("held", flush=True)
        except BlockingIOError:
            print("refused", flush=True)
        sys.stdin.read()
        """

    private func startHolder(_ place: TemporaryDirectory, _ name: LeaseName) throws -> (Program, answer: String) {
        let hexadecimal = name.bytes.map { String(format: "%02x", $0) }.joined()
        let program = try Program(["python3", "-c", Self.holder, place("locks/leases"), hexadecimal])
        let answer = String(decoding: program.read { $0.contains(10) }, as: UTF8.self)
        return (program, answer.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    @Test func excludesAndFreesAcrossProcesses() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try await store.tryLease(try leaseName(9))?.release()
        let (holder, answer) = try startHolder(place, try leaseName(1))
        try #require(answer == "held")
        #expect(try await store.tryLease(try leaseName(1)) == nil)
        let other = try await store.tryLease(try leaseName(2))
        #expect(other != nil)
        // The lock goes with the process, however it ends.
        holder.kill()
        let lease = try #require(try await store.tryLease(try leaseName(1)))
        let (second, refusal) = try startHolder(place, try leaseName(1))
        #expect(refusal == "refused")
        second.end()
        lease.release()
        other?.release()
    }

    /// Between fork(2) and execve(2) a process that is being started has all descriptors, close-on-exec or not.
    @Test func isFreeAlthoughAnotherHasACopyOfItsDescriptor() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        let lease = try #require(try await store.tryLease(try leaseName(1)))
        var file = stat()
        try #require(stat(place("locks/leases"), &file) == 0)
        let copies = (3..<4096 as Range<Int32>).filter { descriptor in
            var status = stat()
            return fstat(descriptor, &status) == 0 && (status.st_dev, status.st_ino) == (file.st_dev, file.st_ino)
        }
        .map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
        defer { for copy in copies { close(copy) } }
        #expect(!copies.isEmpty)
        #expect(try await store.tryLease(try leaseName(1)) == nil)
        lease.release()
        let next = try await store.tryLease(try leaseName(1))
        #expect(next != nil)
        next?.release()
    }

    @Test func freesTheLeaseOfAKilledProcess() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = place.path as String] in
            let store = try await SQLiteStore.open(in: "\(path)/vault", locks: "\(path)/locks")
            let lease = try #require(try await store.tryLease(try leaseName(1)))
            try #require(try await store.tryLease(try leaseName(1)) == nil)
            withExtendedLifetime(lease) { _ = kill(getpid(), SIGKILL) }
        }
        let lease = try await store.tryLease(try leaseName(1))
        #expect(lease != nil)
        lease?.release()
    }

    @Test func neverReplacesItsFile() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        let inode = {
            try FileManager.default.attributesOfItem(atPath: place("locks/leases"))[.systemFileNumber] as? Int
        }
        try await store.tryLease(try leaseName(1))?.release()
        let first = try inode()
        try await store.tryLease(try leaseName(1))?.release()
        try await place.openStore().tryLease(try leaseName(2))?.release()
        #expect(try inode() == first)
        #expect(try bytes(place("locks/leases")) == [])
        #expect(try names(in: place("locks")) == ["leases"])
    }

    @Test(arguments: ["a link", "a wide file", "a directory", "a wide directory"])
    func refusesAnUnsafeLockFile(_ obstacle: String) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try check(mkdir(place("locks"), 0o700), "mkdir")
        switch obstacle {
        case "a link": try check(symlink(place("nowhere"), place("locks/leases")), "symlink")
        case "a wide file": try write([], to: place("locks/leases"), mode: 0o666)
        case "a directory": try check(mkdir(place("locks/leases"), 0o700), "mkdir")
        default: try check(chmod(place("locks"), 0o777), "chmod")
        }
        try await expectRefusal(.unsafe) { _ = try await store.tryLease(try leaseName(1)) }
    }

    private static func look(at path: String) throws {
        _ = try DatabaseHeader(HeldDescriptor.of(path).descriptor)
    }

    /// SQLite's locks must survive that the same process looks at the file again.
    @Test func keepsSQLitesLocksWhileTheFileIsLookedAt() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        let script = """
            import sqlite3, sys
            try:
                sqlite3.connect(sys.argv[1], timeout=0).execute("BEGIN IMMEDIATE")
                print("free")
            except sqlite3.OperationalError:
                print("locked")
            """
        let ask = { @Sendable () throws -> String in
            let answer = String(
                decoding: try Program.run(["python3", "-c", script, place.database]).output,
                as: UTF8.self
            )
            return answer.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let answers = try await store.connection.write { _ in
            let before = try ask()
            // In a function of its own: whatever it does not keep is closed when it returns.
            try Self.look(at: place.database)
            return [before, try ask()]
        }
        #expect(answers == ["locked", "locked"])
        #expect(try ask() == "free")
    }
}

/// A clock that stands still but for sleeping, and remembers for how long each sleep was asked.
final class SleepingClock: Clock {
    struct Instant: InstantProtocol {
        var offset: Duration
        func advanced(by duration: Duration) -> Instant { Instant(offset: offset + duration) }
        func duration(to other: Instant) -> Duration { other.offset - offset }
        static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    let sleeps = Mutex<[Duration]>([])
    private let onSleep: @Sendable (Int) throws -> Void

    init(onSleep: @escaping @Sendable (Int) throws -> Void = { _ in }) {
        self.onSleep = onSleep
    }

    var now: Instant { Instant(offset: sleeps.withLock { $0.reduce(.zero, +) }) }
    var minimumResolution: Duration { .nanoseconds(1) }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let pause = now.duration(to: deadline)
        let count = sleeps.withLock { sleeps in
            sleeps.append(pause)
            return sleeps.count
        }
        try onSleep(count)
    }
}

struct LeaseWaitingTests {
    private func store() throws -> MemoryStore { try MemoryStore(header: firstHeader) }

    @Test func takesAFreeLeaseWithoutWaiting() async throws {
        let clock = SleepingClock()
        let lease = try await store().lease(try leaseName(1), within: .zero, clock: clock)
        #expect(clock.sleeps.withLock { $0 } == [])
        lease.release()
    }

    @Test func waitsInGrowingPausesUntilTheTimeIsOver() async throws {
        let store = try store()
        let held = try #require(try await store.tryLease(try leaseName(1)))
        let clock = SleepingClock()
        let error = try await expectRefusal(.unavailable) {
            _ = try await store.lease(try leaseName(1), within: .seconds(3), clock: clock)
        }
        held.release()
        #expect(error?.message.contains("for 3 s") == true, "\(error?.message ?? "")")
        let sleeps = clock.sleeps.withLock { $0 }
        #expect(sleeps.reduce(.zero, +) == .seconds(3))
        #expect(try #require(sleeps.first) <= .milliseconds(2))
        #expect(sleeps.allSatisfy { $0 <= .milliseconds(50) })
        #expect(sleeps.dropFirst(10).dropLast().allSatisfy { $0 >= .milliseconds(25) })
        #expect(Set(sleeps).count > sleeps.count / 2, "the pauses are not jittered")
    }

    @Test func takesTheLeaseOnceItIsFree() async throws {
        let store = try store()
        let held = try #require(try await store.tryLease(try leaseName(1)))
        let clock = SleepingClock { count in if count == 5 { held.release() } }
        let lease = try await store.lease(try leaseName(1), within: .seconds(60), clock: clock)
        #expect(clock.sleeps.withLock { $0.count } == 5)
        #expect(try await store.tryLease(try leaseName(1)) == nil)
        lease.release()
    }

    @Test func stopsWhenItIsCancelled() async throws {
        let store = try store()
        let held = try #require(try await store.tryLease(try leaseName(1)))
        let clock = SleepingClock { count in if count == 2 { throw CancellationError() } }
        let error = try await expectRefusal(.unavailable) {
            _ = try await store.lease(try leaseName(1), within: .seconds(60), clock: clock)
        }
        #expect(error?.underlying is CancellationError)
        held.release()
    }
}
