internal import Glibc
internal import HelperPrograms
internal import Synchronization

/// A running `vault-desktop`, read line by line.
final class DesktopChild: Sendable {
    private let state: Mutex<State>

    private struct State: ~Copyable, Sendable {
        /// Gone, and with it the program, when there is nothing more to read.
        var process: HelperProcess?
    }

    /// Longer than anything the program says.
    private static let longestLine = 1024

    init(_ process: consuming HelperProcess) { state = Mutex(State(process: process)) }

    /// Reads until the program ends, on a thread that may wait; it is reaped then.
    func listen(_ heard: (DesktopEvent) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var line: [UInt8] = []
        // Only this method takes the process away, so the number stays that of the socket.
        while let socket = state.withLock({ $0.process?.socket }) {
            let got = recv(socket, &buffer, buffer.count, 0)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            line += buffer[..<got]
            var lines = line.split(separator: 10, omittingEmptySubsequences: false).map { Array($0) }
            line = lines.removeLast()
            guard line.count <= Self.longestLine else { break }
            for line in lines {
                // Others, and those of a newer program, are none of ours.
                switch line {
                case Array("sleep".utf8): heard(.sleep)
                case Array("wake".utf8): heard(.wake)
                case Array("lock".utf8): heard(.lock)
                default: break
                }
            }
        }
        state.withLock { $0.process = nil }
    }

    /// Ends the program: it has nothing more to read, and neither has `listen`.
    func stop() {
        state.withLock { state in
            if let socket = state.process?.socket { shutdown(socket, Int32(SHUT_RDWR)) }
        }
    }

    /// Says something to the program; one that does not read is ended.
    func send(_ text: String) {
        let isSent = state.withLock { state -> Bool in
            guard let socket = state.process?.socket else { return true }
            let bytes = Array(text.utf8)
            return Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) == bytes.count
        }
        if !isSent { stop() }
    }
}
