internal import Glibc
internal import HelperPrograms
internal import KeyringProtocol

/// A running `vault-keyring` and the socket to it.
struct KeyringChild: ~Copyable {
    static let program = HelperProgram("vault-keyring")

    private let process: HelperProcess
    private var socket: Int32 { process.socket }

    /// Starts the program.
    ///
    /// - Throws: `.programMissing` where it cannot be executed, `.failed` where there is no descriptor or process left.
    init(program: String, environment: [String: String]) throws(KeyringError) {
        do throws(HelperFailure) {
            process = try HelperProcess(
                path: program,
                environment: environment,
                descriptors: [KeyringWire.descriptor]
            )
        } catch {
            throw KeyringError(error)
        }
    }

    /// The path of the program.
    ///
    /// - Throws: `.programMissing` where there is none that can be executed.
    static func find(_ given: String?, environment: [String: String]) throws(KeyringError) -> String {
        do throws(HelperFailure) {
            return try program.find(given, environment: environment)
        } catch {
            let hint = given == nil ? "install it there, or use a passphrase slot" : nil
            throw KeyringError(error, hint: hint)
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
}

extension KeyringError {
    fileprivate init(_ failure: HelperFailure, hint: String? = nil) {
        let code: Code =
            switch failure.kind {
            case .missing: .programMissing
            case .failed: .failed
            }
        self.init(code, failure.message, hint: hint)
    }
}
