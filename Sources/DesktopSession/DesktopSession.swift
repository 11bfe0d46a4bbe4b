internal import Dispatch
internal import Glibc
internal import HelperPrograms
internal import KeyringProtocol
internal import Synchronization

/// The desktop, by way of `vault-desktop`: what it says of sleep and locks, and what it shows to the user.
///
/// GLib and D-Bus stay in that child, which holds no secret and ends with this object. Where it is not installed, or
/// there is no bus, nothing is ever heard or shown. Where it ends by itself it is started again, at most once in each
/// `pause`.
package final class DesktopSession: Sendable {
    /// What the desktop says, from `start` on; for one reader.
    package let events: AsyncStream<DesktopEvent>
    private let continuation: AsyncStream<DesktopEvent>.Continuation
    private let program: String?
    private let environment: [String: String]
    private let pause: Duration
    /// Starts and what is said happen on it, one after the other.
    private let queue = DispatchQueue(label: "vault-desktop")
    private let state = Mutex(State())

    private struct State {
        var child: DesktopChild?
        var isStarted = false
        var hasEnded = false
    }

    /// The variables that the child gets: the ways to the two buses.
    private static let variables = ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"]

    /// A session that begins with `start`.
    ///
    /// - Parameters:
    ///   - program: The path of `vault-desktop`; by default it is looked for beside this executable, in
    ///     `../libexec/vault` from there, and on the PATH.
    ///   - environment: The variables that tell where the buses are; by default this process's.
    ///   - pause: How long there is between two starts of the program at least.
    package init(
        program: String? = nil,
        environment: [String: String]? = nil,
        pause: Duration = .seconds(60)
    ) {
        self.program = program
        self.environment = environment ?? processEnvironment()
        self.pause = pause
        // A lock counts once however often it is said; 64 are more than any desktop says while nobody looks.
        (events, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(64))
    }

    deinit {
        // Whoever reads from the child reaps it then.
        state.withLock { $0.child }?.stop()
        continuation.finish()
    }

    /// Starts the program; once is enough.
    package func start() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted && !state.hasEnded
        }
        if isFirst { queue.async { [self] in launch() } }
    }

    /// Lets the machine sleep: after `.sleep`, when every key is wiped, or when sleep is no reason to wipe them.
    package func lockedForSleep() { send("locked") }

    /// Shows a notification, in the place of the last one with the same `id`.
    ///
    /// - Parameters:
    ///   - id: What it is about: letters, digits, and `._@+:-`, up to 200 of them.
    ///   - summary: One line of plain text.
    ///   - body: Plain text.
    package func notify(id: String, summary: String, body: String) {
        let isWord = id.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: Array("._@+:-".utf8).contains(byte)
            }
        }
        precondition(isWord && (1...200).contains(id.utf8.count), "DesktopSession: no id of a notification: \(id)")
        send("notify \(id) \(base64(summary, upTo: 200)) \(base64(body, upTo: 2000))")
    }

    /// Ends the program and `events`.
    package func end() {
        let child = state.withLock { state in
            defer { (state.hasEnded, state.child) = (true, nil) }
            return state.child
        }
        child?.stop()
        continuation.finish()
    }

    private func send(_ line: String) {
        // On the queue, so that what is said before the program runs is not lost.
        queue.async { [self] in state.withLock { $0.child }?.send(line + "\n") }
    }

    private func launch() {
        guard !state.withLock({ $0.hasEnded }) else { return }
        let start = DispatchTime.now()
        let variables = environment.filter { Self.variables.contains($0.key) }
        // Swift's crash reports show registers and what they point at.
        let handed = variables.merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }
        do throws(HelperFailure) {
            let path = try HelperProgram("vault-desktop").find(program, environment: environment)
            let process = try HelperProcess(
                path: path,
                environment: handed,
                descriptors: [STDIN_FILENO, STDOUT_FILENO]
            )
            let child = DesktopChild(process)
            let isWanted = state.withLock { state in
                if !state.hasEnded { state.child = child }
                return !state.hasEnded
            }
            guard isWanted else { return }
            // A queue of its own has a thread of its own for as long as it waits.
            DispatchQueue(label: "vault-desktop lines").async { [continuation, weak self] in
                child.listen { continuation.yield($0) }
                self?.relaunch(after: start)
            }
        } catch {
            // What is not installed now will not be later; processes and descriptors may be there again.
            if error.kind == .failed { relaunch(after: start) }
        }
    }

    /// Starts the program anew, `pause` after its last start at the earliest.
    private func relaunch(after start: DispatchTime) {
        state.withLock { $0.child = nil }
        let (seconds, attoseconds) = pause.components
        let pause = DispatchTimeInterval.nanoseconds(Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000))
        queue.asyncAfter(deadline: max(.now(), start + pause)) { [weak self] in self?.launch() }
    }
}
