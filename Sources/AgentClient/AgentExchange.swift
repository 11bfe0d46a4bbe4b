@preconcurrency internal import Dispatch
internal import Glibc
internal import VaultAPI

/// Carries calls to the agent, each on a connection of its own.
///
/// Everything happens on one serial queue and nothing on it blocks, so that a thousand callers cost a thousand small
/// objects and no thread.
package final class AgentTransport: @unchecked Sendable {
    // @unchecked: `active` and `waiting` are touched on `queue` alone.

    /// How many connections one process has open at once; others wait for their turn.
    private static let mostConnections = 32

    package let path: String
    private let queue = DispatchQueue(label: "vault.agent")
    private var active = 0
    private var waiting: [AgentExchange] = []

    package init(path: String) { self.path = path }

    /// Sends one request, and returns the line that answers it.
    func exchange(_ request: SecretText) async throws(AgentFailure) -> SecretText {
        let outcome = await withCheckedContinuation { continuation in
            queue.async { [self] in
                let exchange = AgentExchange(path: path, request: request, on: queue) { outcome in
                    continuation.resume(returning: outcome)
                    self.active -= 1
                    self.startNext()
                }
                waiting.append(exchange)
                startNext()
            }
        }
        return try outcome.get()
    }

    private func startNext() {
        guard active < Self.mostConnections, !waiting.isEmpty else { return }
        active += 1
        waiting.removeFirst().start()
    }
}

/// One request and its answer.
private final class AgentExchange: @unchecked Sendable {
    // @unchecked: used on the transport's queue alone.

    private static let pieceSize = 16_384

    private let path: String
    private let request: SecretText
    private let queue: DispatchQueue
    private var finish: ((Result<SecretText, AgentFailure>) -> Void)?
    private let began = ContinuousClock.now
    private var lastTick = ContinuousClock.now
    private var silence = Duration.zero

    private var socket: Int32 = -1
    private var sent = 0
    private var received: [SecretText] = []
    private var size = 0
    private var reading: (any DispatchSourceRead)?
    private var writing: (any DispatchSourceWrite)?
    private var timer: (any DispatchSourceTimer)?

    init(
        path: String,
        request: SecretText,
        on queue: DispatchQueue,
        finish: @escaping (Result<SecretText, AgentFailure>) -> Void
    ) {
        self.path = path
        self.request = request
        self.queue = queue
        self.finish = finish
    }

    func start() {
        lastTick = .now
        let timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + .milliseconds(20), repeating: .milliseconds(20))
        timer.setEventHandler { [self] in tick() }
        self.timer = timer
        timer.resume()
        connect()
    }

    private func tick() {
        guard finish != nil else { return }
        if socket < 0 { connect() }
        let now = ContinuousClock.now
        // While nobody runs here, because the machine is asleep or too busy, what the agent says is not heard.
        silence += min(now - lastTick, .milliseconds(100))
        lastTick = now
        if silence > AgentProtocol.longestSilence || now - began > AgentProtocol.longestCall {
            end(.failure(.silent("the agent at \(path) does not answer")))
        }
    }

    private func connect() {
        do throws(AgentFailure) {
            // A full backlog: the next tick tries again.
            guard let socket = try AgentSocket.connect(path) else { return }
            self.socket = socket
        } catch {
            return end(.failure(error))
        }
        let reading = DispatchSource.makeReadSource(fileDescriptor: socket, queue: queue)
        reading.setEventHandler { [self] in receive() }
        self.reading = reading
        reading.resume()
        send()
    }

    private func send() {
        while sent < request.count {
            let count = request.withUnsafeBytes { bytes in
                Glibc.send(socket, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                return sendLater()
            } else if errno != EINTR {
                // What the agent has to say about it may be there to be read.
                break
            }
        }
        writing?.cancel()
        writing = nil
    }

    private func sendLater() {
        guard writing == nil else { return }
        let writing = DispatchSource.makeWriteSource(fileDescriptor: socket, queue: queue)
        writing.setEventHandler { [self] in send() }
        self.writing = writing
        writing.resume()
    }

    private func receive() {
        guard finish != nil else { return }
        var failure = ""
        var count = 0
        let piece = SecretText(count: Self.pieceSize) { buffer in
            count = recv(socket, buffer.baseAddress, buffer.count, 0)
            if count < 0 { failure = String(cString: strerror(errno)) }
        }
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            let reason = count == 0 ? "it hung up" : failure
            return end(.failure(.silent("the agent at \(path) gave no answer: \(reason)")))
        }
        silence = .zero
        let bytes = piece.slice(0..<count)
        received.append(bytes)
        size += count
        // Pieces are put together once, at the end of a line: a long answer is not copied with every piece of it.
        if bytes.withUnsafeBytes({ $0.contains(UInt8(ascii: "\n")) }) { takeLines() }
        if finish != nil, size > AgentProtocol.longestAnswer {
            end(.failure(.silent("the agent at \(path) answered too much")))
        }
    }

    /// The first line that is no notification is the answer.
    private func takeLines() {
        var rest = SecretText.joining(received, count: size)
        while let line = rest.line {
            rest = rest.slice(line.count + 1..<rest.count)
            guard line.isNotification else { return end(.success(line)) }
        }
        received = [rest]
        size = rest.count
    }

    private func end(_ outcome: Result<SecretText, AgentFailure>) {
        guard let finish else { return }
        self.finish = nil
        timer?.cancel()
        writing?.cancel()
        let socket = self.socket
        if let reading {
            // A descriptor is closed when nobody watches it any more.
            reading.setCancelHandler { close(socket) }
            reading.cancel()
        } else if socket >= 0 {
            close(socket)
        }
        finish(outcome)
    }
}

extension SecretText {
    /// Whether the line is a notification of the agent's, which has no id.
    fileprivate var isNotification: Bool {
        withUnsafeBytes { $0.starts(with: Array(#"{"jsonrpc":"2.0","method":"#.utf8)) }
    }

    /// What stands before the first line feed; `nil` where there is none.
    fileprivate var line: SecretText? {
        withUnsafeBytes { $0.firstIndex(of: UInt8(ascii: "\n")) }.map { slice(0..<$0) }
    }
}
