internal import Glibc

/// The lines that go to the agent.
enum Lines {
    /// Says a line, or ends this process where nobody reads: the agent starts another.
    static func say(_ line: String) {
        var output = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        let bytes = Array((line + "\n").utf8)
        // Waiting here would keep what waits for signals of the desktop from hearing the next one.
        guard poll(&output, 1, 0) == 1, write(STDOUT_FILENO, bytes, bytes.count) == bytes.count else { _exit(1) }
    }
}

/// The lines that come from the agent, as far as they have come.
struct LineReader {
    /// Longer than a notification with all its text.
    private static let longest = 64 << 10
    private var rest: [UInt8] = []

    /// The lines that are complete after one read; `nil` where the agent is gone, or says what it never would.
    mutating func read() -> [String]? {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let got = Glibc.read(STDIN_FILENO, &buffer, buffer.count)
        if got < 0, errno == EINTR || errno == EAGAIN { return [] }
        guard got > 0 else { return nil }
        rest += buffer[..<got]
        var lines = rest.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
        rest = lines.removeLast()
        guard rest.count <= Self.longest else { return nil }
        return lines.map { String(decoding: $0, as: UTF8.self) }
    }
}
