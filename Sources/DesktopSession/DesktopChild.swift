@preconcurrency internal import Dispatch
internal import Glibc
internal import HelperPrograms
internal import Synchronization

/// A running `vault-desktop`, read line by line on a queue.
///
/// Its methods but `stop` are called on that queue.
final class DesktopChild: Sendable {
    private let source: any DispatchSourceRead
    private let heard: @Sendable (DesktopEvent) -> Void
    private let state: Mutex<State>

    private struct State: ~Copyable, Sendable {
        /// Gone, and with it the program, when the source has been cancelled.
        var process: HelperProcess?
        var line: [UInt8] = []
    }

    /// Longer than anything the program says.
    private static let longestLine = 1024

    init(
        _ process: consuming HelperProcess,
        _ queue: DispatchQueue,
        heard: @escaping @Sendable (DesktopEvent) -> Void,
        ended: @escaping @Sendable () -> Void
    ) {
        self.heard = heard
        source = DispatchSource.makeReadSource(fileDescriptor: process.socket, queue: queue)
        state = Mutex(State(process: process))
        source.setEventHandler { [self] in read() }
        // The source holds this object until it is cancelled; a descriptor must not be closed before that.
        source.setCancelHandler { [self] in
            state.withLock { $0.process = nil }
            ended()
        }
    }

    /// Begins to read.
    func listen() { source.activate() }

    /// Ends the program.
    func stop() {
        source.activate()
        source.cancel()
    }

    /// Says something to the program; one that does not read is ended, and another started.
    func send(_ text: String) {
        let isSent = state.withLock { state -> Bool in
            guard let socket = state.process?.socket else { return true }
            let bytes = Array(text.utf8)
            return Glibc.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) == bytes.count
        }
        if !isSent { source.cancel() }
    }

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let lines = state.withLock { state -> [[UInt8]]? in
            guard let socket = state.process?.socket else { return [] }
            let got = recv(socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if got < 0, errno == EINTR || errno == EAGAIN { return [] }
            guard got > 0 else { return nil }
            state.line += buffer[..<got]
            var lines = state.line.split(separator: 10, omittingEmptySubsequences: false).map(Array.init)
            state.line = lines.removeLast()
            return state.line.count <= Self.longestLine ? lines : nil
        }
        guard let lines else { return source.cancel() }
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
}
