internal import Glibc
internal import KeyringProtocol

/// The socket to the parent.
struct Channel {
    private let descriptor = KeyringWire.descriptor

    /// The channel, if this process was started with one.
    init?() {
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        // Not any open file will do: a shell that happens to leave something open as 3 is no parent.
        guard getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0,
            type == Int32(SOCK_STREAM.rawValue)
        else { return nil }
        // Whatever libraries start must not hold the parent's socket open.
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// The next frame's body; `nil` when the parent has closed its end or sent something that is no frame.
    func receive() -> WipedBytes? {
        var length = WipedBytes(zeroed: KeyringWire.lengthBytes)
        guard length.withUnsafeMutableBytes({ fill($0) }) else { return nil }
        guard let count = length.withUnsafeBytes({ KeyringWire.bodyCount($0) }) else { return nil }
        var body = WipedBytes(zeroed: count)
        guard body.withUnsafeMutableBytes({ fill($0) }) else { return nil }
        return body
    }

    /// Sends an answer and the keys that go with it.
    func send(_ answer: KeyringAnswer, keys: [FoundKey] = []) {
        var sent = answer.frameHead(values: keys.map { $0.bytes.count }).withUnsafeBytes { send($0) }
        for key in keys where sent {
            sent = KeyringAnswer.valueHead(key.bytes.count).withUnsafeBytes { send($0) }
            sent = sent && key.bytes.withUnsafeBytes { send($0) }
        }
    }

    private func fill(_ buffer: UnsafeMutableRawBufferPointer) -> Bool {
        var filled = 0
        while filled < buffer.count {
            let got = recv(descriptor, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, 0)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { return false }
            filled += got
        }
        return true
    }

    private func send(_ buffer: UnsafeRawBufferPointer) -> Bool {
        var sent = 0
        while sent < buffer.count {
            // MSG_NOSIGNAL: a parent that is gone is no reason for SIGPIPE.
            let put = Glibc.send(
                descriptor,
                buffer.baseAddress.map { $0 + sent },
                buffer.count - sent,
                Int32(MSG_NOSIGNAL)
            )
            if put < 0, errno == EINTR { continue }
            guard put > 0 else { return false }
            sent += put
        }
        return true
    }
}

/// Ends this process when the parent is gone, whatever it waits for just then: a prompt may never be answered, and its
/// service takes it off the screen when whoever asked for it leaves the bus.
func exitWithParent() {
    var thread = pthread_t()
    pthread_create(
        &thread,
        nil,
        { _ in
            // Without events only a hang-up is reported, never data.
            var socket = pollfd(fd: KeyringWire.descriptor, events: 0, revents: 0)
            while poll(&socket, 1, -1) < 1 {}
            _exit(0)
        },
        nil
    )
}
