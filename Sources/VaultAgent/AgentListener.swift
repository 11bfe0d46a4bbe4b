internal import AgentClient
@preconcurrency internal import Dispatch
internal import Glibc
internal import CVaultSystem
internal import VaultAPI

/// Accepts connections on the agent's socket and carries lines both ways.
///
/// Everything happens on one serial queue and nothing on it blocks or waits for a client. What it reads lies in memory
/// that is wiped: an unlock carries a key.
package final class AgentListener: @unchecked Sendable {
    // @unchecked: `connections` and what hangs on them are touched on `queue` alone.

    /// How many connections there are at most; beyond that the one that has been idle longest makes room.
    static let mostConnections = 2048
    /// How much of requests without an end is held for all clients together.
    static let mostUnfinishedBytes = 16 << 20
    /// A client that has asked nothing for so long is hung up on.
    static let longestIdle = Duration.seconds(20)
    /// So many at once leave megabytes behind that the allocator would keep for the next such crowd.
    static let crowdSize = 64
    /// A client that takes nothing of its answer for so long is hung up on.
    static let longestStall = Duration.seconds(30)

    let queue = DispatchQueue(label: "vault.agent.listener")
    private let agent: Agent
    private let onStop: @Sendable () -> Void
    private var sources: [any DispatchSourceProtocol] = []
    /// Of the socket that the agent made by itself.
    private var own: (any DispatchSourceProtocol)?
    private var connections: [ObjectIdentifier: AgentConnection] = [:]
    private var mostAtOnce = mostConnections
    /// The most connections since memory was last given back.
    private var crowd = 0
    /// What has come of requests whose end has not.
    var unfinishedBytes = 0
    private var timer: (any DispatchSourceTimer)?

    /// - Parameter onStop: Called when a client has told the agent to stop and has its answer.
    package init(_ agent: Agent, onStop: @escaping @Sendable () -> Void) {
        self.agent = agent
        self.onStop = onStop
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, 8192))
            _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            mostAtOnce = max(16, min(Self.mostConnections, Int(clamping: limit.rlim_cur) - 128))
        }
    }

    /// Listens at a socket that is bound and listening already.
    package func listen(_ socket: Int32, forwarding: Forwarding? = nil) {
        queue.sync { sources.append(source(socket, forwarding)) }
    }

    /// Listens at the agent's own new socket, and at its last one no more; on the queue.
    func listenOnly(at socket: Int32) {
        own?.cancel()
        own = source(socket, nil)
    }

    private func source(_ socket: Int32, _ forwarding: Forwarding?) -> any DispatchSourceProtocol {
        _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
        let source = DispatchSource.makeReadSource(fileDescriptor: socket, queue: queue)
        source.setEventHandler { [self] in accept(socket, forwarding) }
        source.setCancelHandler { close(socket) }
        source.resume()
        return source
    }

    /// Accepts nobody any more and hangs up.
    package func stop() {
        queue.sync {
            for source in sources { source.cancel() }
            own?.cancel()
            (sources, own) = ([], nil)
            for connection in connections.values { connection.hangUp() }
        }
    }

    /// Runs while somebody is connected: an agent that nobody asks wakes nothing up.
    private func startTimer() {
        let timer = DispatchSource.makeTimerSource(queue: queue)
        let interval = Int(AgentProtocol.workingEvery.components.attoseconds / 1_000_000_000_000_000)
        timer.schedule(deadline: .now(), repeating: .milliseconds(interval), leeway: .milliseconds(50))
        timer.setEventHandler { [self] in
            for connection in connections.values { connection.tick() }
        }
        timer.resume()
        self.timer = timer
    }

    private func accept(_ socket: Int32, _ forwarding: Forwarding?) {
        // Not without end: those who are connected have their turn too.
        for _ in 0..<256 {
            let client = vault_accept(socket)
            guard client >= 0 else {
                // Descriptors are closed later on this queue, which comes here again while somebody knocks.
                if [-EMFILE, -ENFILE].contains(client) { _ = makeRoom() }
                return
            }
            guard let peer = AgentSocket.Peer(client), peer.userID == geteuid() else {
                close(client)
                continue
            }
            if connections.count >= mostAtOnce, !makeRoom() {
                close(client)
                continue
            }
            let requester = Requester(processID: peer.processID, userID: peer.userID, forwarding: forwarding)
            let connection = AgentConnection(client, requester, self)
            connections[ObjectIdentifier(connection)] = connection
            crowd = max(crowd, connections.count)
            if timer == nil { startTimer() }
            connection.start()
        }
    }

    /// Hangs up on those who have been idle longest; `false` if everybody waits for an answer.
    ///
    /// On many at once: to look through all of them for each newcomer would keep everybody waiting.
    private func makeRoom() -> Bool {
        let idle = connections.values.filter(\.isIdle).sorted { $0.lastActive < $1.lastActive }
        for connection in idle.prefix(max(1, mostAtOnce / 16)) { connection.hangUp() }
        return !idle.isEmpty
    }

    /// Hangs up on whoever has sent most of a request without its end, where all of them together are too much.
    func boundUnfinished() {
        while unfinishedBytes > Self.mostUnfinishedBytes {
            guard let largest = connections.values.filter(\.isIdle).max(by: { $0.size < $1.size }) else { return }
            largest.hangUp()
        }
    }

    func forget(_ connection: AgentConnection) {
        connections[ObjectIdentifier(connection)] = nil
        returnMemory()
        guard connections.isEmpty else { return }
        timer?.cancel()
        timer = nil
    }

    /// Gives back what a crowd has needed, once most of it is gone.
    ///
    /// Elsewhere: the allocator takes milliseconds for it, and whoever asks next need not wait.
    private func returnMemory() {
        guard crowd >= Self.crowdSize, connections.count <= crowd / 8 else { return }
        crowd = connections.count
        DispatchQueue.global(qos: .utility).async { vault_return_memory() }
    }

    /// Has a line answered; the answer is sent on the queue.
    func answer(_ line: SecretText, for connection: AgentConnection) {
        let requester = connection.requester
        Task { [self] in
            let answer = await agent.answer(line, from: requester)
            queue.async { [self] in
                switch answer {
                case .reply(let content): connection.send(content.line())
                case .replyAndStop(let content):
                    connection.send(content.line())
                    onStop()
                }
            }
        }
    }
}
