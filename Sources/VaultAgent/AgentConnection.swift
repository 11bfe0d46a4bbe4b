internal import AgentClient
@preconcurrency internal import Dispatch
internal import Glibc
internal import VaultAPI

/// One client: lines in, answers out, one request at a time.
///
/// What it sends ahead of its answer waits in the kernel.
final class AgentConnection: @unchecked Sendable {
    // @unchecked: used on the listener's queue alone.

    private static let pieceSize = 32_768
    /// How many pieces are read before the others have their turn.
    private static let piecesInTurn = 4

    let requester: Requester
    private let socket: Int32
    private unowned let listener: AgentListener
    private let reading: any DispatchSourceRead
    private var writing: (any DispatchSourceWrite)?
    private var isReading = true
    private var isClosed = false

    /// What has come of the next request.
    private var pieces: [SecretText] = []
    /// How many bytes of it there are.
    private(set) var size = 0 {
        didSet { listener.unfinishedBytes += size - oldValue }
    }
    /// When the request that is being worked on came.
    private var asked: ContinuousClock.Instant?
    private var output: [SecretText] = []
    private var written = 0
    /// Whether the last line to be sent is the answer.
    private var isAnswered = false
    private(set) var lastActive = ContinuousClock.now

    init(_ socket: Int32, _ requester: Requester, _ listener: AgentListener) {
        self.socket = socket
        self.requester = requester
        self.listener = listener
        reading = DispatchSource.makeReadSource(fileDescriptor: socket, queue: listener.queue)
        reading.setCancelHandler { [socket] in close(socket) }
    }

    /// Whether nobody waits for an answer here.
    var isIdle: Bool { asked == nil && output.isEmpty }

    func start() {
        // Weak: the listener owns the connection, and the source would own it too.
        reading.setEventHandler { [weak self] in self?.receive() }
        reading.resume()
        // Most clients have sent their request by now: they are not idle when somebody looks for room.
        receive()
    }

    func hangUp() {
        guard !isClosed else { return }
        isClosed = true
        writing?.cancel()
        if !isReading { reading.resume() }
        reading.cancel()
        pieces = []
        size = 0
        output = []
        listener.forget(self)
    }

    /// Says that work goes on, and ends what does not go on.
    func tick() {
        let now = ContinuousClock.now
        if let asked {
            if output.isEmpty, now - asked > .milliseconds(300) { send(AgentProtocol.working.line(), isAnswer: false) }
        } else if output.isEmpty, now - lastActive > AgentListener.longestIdle {
            hangUp()
        }
        if !output.isEmpty, now - lastActive > AgentListener.longestStall { hangUp() }
    }

    // MARK: - In

    private func receive() {
        // What is left has the source fire again.
        for _ in 0..<Self.piecesInTurn where !isClosed && asked == nil {
            var count = 0
            let piece = SecretText(count: Self.pieceSize) { count = recv(socket, $0.baseAddress, $0.count, 0) }
            guard count > 0 else {
                if count < 0, errno == EAGAIN || errno == EINTR { return }
                return hangUp()
            }
            // A client that drips a request is as idle as one that says nothing.
            take(piece, count)
        }
    }

    private func take(_ piece: SecretText, _ count: Int) {
        let end = piece.withUnsafeBytes { $0[..<count].firstIndex(of: UInt8(ascii: "\n")) }
        keep(piece.slice(0..<(end ?? count)))
        size += end ?? count
        guard size <= AgentProtocol.longestRequest else { return hangUp() }
        guard let end else { return listener.boundUnfinished() }
        let line = SecretText.joining(pieces, count: size)
        let rest = piece.slice(end + 1..<count)
        pieces = rest.count > 0 ? [rest] : []
        size = rest.count
        // Requests that came in one piece with the last one are answered after it.
        ask(line)
    }

    /// Adds a piece, and joins it with the one before while that is no longer.
    ///
    /// Each piece is pages of its own: a request that comes byte by byte would cost a page for each, and so costs a
    /// few.
    private func keep(_ piece: SecretText) {
        pieces.append(piece)
        while pieces.count > 1, pieces[pieces.count - 1].count >= pieces[pieces.count - 2].count {
            let last = pieces.removeLast()
            let before = pieces.removeLast()
            pieces.append(SecretText.joining([before, last], count: before.count + last.count))
        }
    }

    private func ask(_ line: SecretText) {
        asked = .now
        if isReading {
            isReading = false
            reading.suspend()
        }
        listener.answer(line, for: self)
    }

    /// Goes on with what came behind the request that was answered.
    private func goOn() {
        asked = nil
        lastActive = .now
        if let first = pieces.first, pieces.count == 1 {
            pieces = []
            size = 0
            take(first, first.count)
        }
        guard !isClosed, asked == nil, !isReading else { return }
        isReading = true
        reading.resume()
    }

    // MARK: - Out

    /// Sends a line; once an answer is sent whole, the client may ask again.
    ///
    /// Not before: who asks and never reads would have its answers pile up here.
    func send(_ line: SecretText, isAnswer: Bool = true) {
        guard !isClosed else { return }
        // Who takes nothing is stalled, however much there is for it.
        if output.isEmpty { lastActive = .now }
        isAnswered = isAnswer
        output.append(line)
        write()
    }

    private func write() {
        while let line = output.first {
            let count = line.withUnsafeBytes { bytes in
                Glibc.send(socket, bytes.baseAddress.map { $0 + written }, bytes.count - written, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                lastActive = .now
                written += count
                if written == line.count {
                    output.removeFirst()
                    written = 0
                }
            } else if errno == EAGAIN {
                return writeLater()
            } else if errno != EINTR {
                return hangUp()
            }
        }
        writing?.cancel()
        writing = nil
        if isAnswered {
            isAnswered = false
            goOn()
        }
    }

    private func writeLater() {
        guard writing == nil else { return }
        let writing = DispatchSource.makeWriteSource(fileDescriptor: socket, queue: listener.queue)
        writing.setEventHandler { [weak self] in self?.write() }
        self.writing = writing
        writing.resume()
    }
}
