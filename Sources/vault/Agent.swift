internal import CVaultFront

/// A connection to the agent.
///
/// An agent that works sends something at least every half second: its answer, or a line that says that it works.
/// One that says nothing for a second is given up, however long an answer may take in all.
struct Agent: ~Copyable {
    private let socket: Int32
    private let deadline: Int64

    /// How long an agent may say nothing, in milliseconds.
    private static let longestSilence: Int64 = 1000
    /// How long an answer may take, in milliseconds: a refresh takes up to 90 s.
    private static let longestAnswer: Int64 = 100_000
    /// The longest line in bytes: a secret of 1 MiB, each byte of it escaped.
    private static let longestLine = 8 << 20

    /// Connects, if there is somebody to connect to, and it is us.
    init?(at path: borrowing Bytes) {
        guard let start = path.text.baseAddress else { return nil }
        let result = front_connect(start)
        guard result >= 0 else { return nil }
        socket = result
        deadline = front_now() + Self.longestAnswer
    }

    /// Sends a request; `false` where the agent does not take it.
    func ask(_ request: consuming Bytes) -> Bool {
        var rest = request.text
        while let start = rest.baseAddress, !rest.isEmpty {
            let sent = front_send(socket, start, rest.count)
            if sent > 0 {
                rest = rest.dropping(sent)
            } else if !front_is_again(sent) || !front_wait_to_send(socket, patience) {
                return false
            }
        }
        return true
    }

    /// Calls `body` with the line of the answer, which is wiped afterwards; `nil` where there is none.
    func answer<Result>(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Result) -> Result? {
        var received = Bytes(capacity: 16 << 10, isSecret: true)
        var searched = 0
        while true {
            while searched < received.count {
                guard received.text[searched] == UInt8(ascii: "\n") else {
                    searched += 1
                    continue
                }
                let line = received.mutable(0..<searched)
                guard Text(line).hasPrefix(#"{"jsonrpc":"2.0","method":""#) else { return body(line) }
                received.removeFirst(searched + 1)
                searched = 0
            }
            guard received.count < Self.longestLine, front_wait_to_receive(socket, patience) else { return nil }
            let count = received.read { front_receive(socket, $0, $1) }
            guard count > 0 || front_is_again(count) else { return nil }
        }
    }

    /// How long to wait for the next byte.
    private var patience: Int64 { min(Self.longestSilence, deadline - front_now()) }
}
