internal import AgentClient
internal import CVaultSystem
@preconcurrency internal import Dispatch
internal import Glibc
internal import Synchronization
package import VaultAPI

/// An agent at work: its socket, its listener, and what ends it.
package final class AgentProcess: @unchecked Sendable {
    // @unchecked: `watching` and `identity` are touched on the listener's queue alone.

    private let seat: AgentSeat
    private let agent: Agent
    private let listener: AgentListener
    private let ended: AsyncStream<Void>
    private let end: AsyncStream<Void>.Continuation
    private var identity: FileIdentity?
    private let forwarded = Mutex<[(path: String, identity: FileIdentity)]>([])
    private var watching: (any DispatchSourceTimer)?

    /// - Parameter sockets: Listening sockets that were handed over; without any the agent makes its own.
    package init(_ agent: Agent, seat: AgentSeat, sockets: [Int32]) throws(VaultError) {
        self.seat = seat
        self.agent = agent
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        self.ended = ended
        self.end = end
        listener = AgentListener(agent) { end.finish() }
        if sockets.isEmpty {
            let socket = try seat.makeSocket()
            listener.queue.sync { listener.listenOnly(at: socket) }
            identity = FileIdentity(seat.path)
            keepSocket()
        }
        for socket in sockets { listener.listen(socket) }
    }

    /// Listens at a second socket, which gives out no more than `forwarding` says.
    package func forward(_ forwarding: Forwarding, at path: String) throws(VaultError) {
        listener.listen(try AgentSeat.makeSocket(path), forwarding: forwarding)
        if let identity = FileIdentity(path) { forwarded.withLock { $0.append((path, identity)) } }
    }

    /// Waits until a client tells the agent to stop, or `stop` does; then everything is locked.
    package func run() async {
        for await _ in ended {}
        listener.stop()
        await agent.lock()
        if identity != nil, FileIdentity(seat.path) == identity { seat.clear() }
        for (path, identity) in forwarded.withLock({ $0 }) where FileIdentity(path) == identity { unlink(path) }
    }

    /// Ends `run`.
    package func stop() { end.finish() }

    /// Makes the socket anew where somebody has removed it: clients could not find the agent, and another agent could
    /// not take its place.
    private func keepSocket() {
        let timer = DispatchSource.makeTimerSource(queue: listener.queue)
        timer.schedule(deadline: .now() + 1, repeating: 1, leeway: .milliseconds(500))
        timer.setEventHandler { [self] in
            guard FileIdentity(seat.path) != identity else { return }
            // Another agent in this place would fight for the socket with this one.
            guard seat.keep() else { return stop() }
            guard let socket = try? seat.makeSocket() else { return }
            identity = FileIdentity(seat.path)
            listener.listenOnly(at: socket)
        }
        timer.resume()
        watching = timer
    }
}
