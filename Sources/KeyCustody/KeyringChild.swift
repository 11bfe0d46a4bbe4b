@preconcurrency internal import Glibc
internal import KeyringProtocol

/// A running `vault-keyring` and the socket to it.
///
/// It is killed and reaped when this goes: never a zombie, never a
/// process left behind with a prompt on the screen.
struct KeyringChild: ~Copyable {
    private let process: pid_t
    private let socket: Int32

    /// Starts the program.
    ///
    /// - Throws: `.programMissing` where it cannot be executed, `.failed` where there is no descriptor or process left.
    init(program: String, environment: [String: String]) throws(KeyringError) {
        let ends = try Self.socketPair()
        defer { close(ends.child) }
        do {
            process = try Self.spawn(program, environment, ends.child)
        } catch {
            close(ends.parent)
            throw error
        }
        socket = ends.parent
    }

    deinit {
        close(socket)
        var status: Int32 = 0
        // The number is the child's as long as nobody has waited for it; where somebody else has (SIGCHLD ignored, or
        // a host program that waits for any child), it may be another's by now and must not be killed.
        var waited = waitpid(process, &status, WNOHANG)
        if waited == 0 {
            kill(process, SIGKILL)
            repeat { waited = waitpid(process, &status, 0) } while waited < 0 && errno == EINTR
        }
    }

    /// Sends all bytes, or throws `.timedOut`, or `.failed` where the child has gone.
    borrowing func send(_ bytes: RawSpan, before deadline: MonotonicDeadline) throws(KeyringError) {
        var sent = 0
        while sent < bytes.byteCount {
            try wait(for: Int16(POLLOUT), before: deadline)
            let flags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
            let put = bytes.withUnsafeBytes {
                Glibc.send(socket, $0.baseAddress.map { $0 + sent }, $0.count - sent, flags)
            }
            if put > 0 { sent += put } else if errno != EINTR, errno != EAGAIN { throw Self.gone }
        }
    }

    /// Fills the buffer, or throws `.timedOut`, or `.failed` where the child ends before that.
    borrowing func receive(
        into buffer: UnsafeMutableRawBufferPointer,
        before deadline: MonotonicDeadline
    ) throws(KeyringError) {
        var filled = 0
        while filled < buffer.count {
            try wait(for: Int16(POLLIN), before: deadline)
            let start = buffer.baseAddress.map { $0 + filled }
            let got = recv(socket, start, buffer.count - filled, Int32(MSG_DONTWAIT))
            if got > 0 { filled += got } else if got == 0 || errno != EINTR && errno != EAGAIN { throw Self.gone }
        }
    }

    private borrowing func wait(for events: Int16, before deadline: MonotonicDeadline) throws(KeyringError) {
        var entry = pollfd(fd: socket, events: events, revents: 0)
        while true {
            let left = deadline.millisecondsLeft
            guard left > 0 else {
                throw KeyringError(
                    .timedOut,
                    "the keyring did not answer within \(deadline.length)",
                    hint: "look whether it waits for you on the desktop, or use a passphrase"
                )
            }
            // Interrupted, or the time is up, which the next round says.
            if poll(&entry, 1, left) > 0 { return }
        }
    }

    private static let gone = KeyringError(
        .failed,
        "vault-keyring ended before it answered",
        hint: "try again, or use a passphrase"
    )

    private static func socketPair() throws(KeyringError) -> (parent: Int32, child: Int32) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw KeyringError(.failed, "cannot make a socket for vault-keyring: errno \(errno)")
        }
        return (ends[0], ends[1])
    }
}
