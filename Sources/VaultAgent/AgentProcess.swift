internal import AgentClient
internal import CVaultSystem
@preconcurrency internal import Dispatch
internal import Glibc
package import VaultAPI

/// An agent at work: its socket, its listener, and what ends it.
package final class AgentProcess: @unchecked Sendable {
    // @unchecked: `watching` and `identity` are touched on the listener's queue alone.

    private let seat: AgentSeat
    private let agent: Agent
    private let listener: AgentListener
    private let ended: AsyncStream<Void>
    private let end: AsyncStream<Void>.Continuation
    private var identity: SocketIdentity?
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
            listener.listen(try seat.makeSocket())
            identity = SocketIdentity(seat.path)
            keepSocket()
        }
        for socket in sockets { listener.listen(socket) }
    }

    /// Listens at a second socket, which gives out no more than `forwarding` says.
    package func forward(_ forwarding: Forwarding, at path: String) throws(VaultError) {
        listener.listen(try AgentSeat.makeSocket(path), forwarding: forwarding)
    }

    /// Waits until a client tells the agent to stop, or `stop` does; then everything is locked.
    package func run() async {
        for await _ in ended {}
        listener.stop()
        await agent.lock()
        if identity != nil, SocketIdentity(seat.path) == identity { seat.clear() }
    }

    /// Ends `run`.
    package func stop() { end.finish() }

    /// Makes the socket anew where somebody has removed it: clients could not find the agent, and another agent could
    /// not take its place.
    private func keepSocket() {
        let timer = DispatchSource.makeTimerSource(queue: listener.queue)
        timer.schedule(deadline: .now() + 1, repeating: 1, leeway: .milliseconds(500))
        timer.setEventHandler { [self] in
            guard SocketIdentity(seat.path) != identity, let socket = try? seat.makeSocket() else { return }
            identity = SocketIdentity(seat.path)
            // `listen` waits for the queue that this runs on.
            DispatchQueue.global().async { self.listener.listen(socket) }
        }
        timer.resume()
        watching = timer
    }
}
