internal import Dispatch

/// Runs tests that wait for other programs, on threads of its own.
///
/// The pool that Swift's tasks share has a thread for each core. Tests that block in it would keep others, which
/// measure how long something takes, from going on.
package final class BlockingExecutor: TaskExecutor {
    /// The one for all of them.
    package static let shared = BlockingExecutor()

    private let queue = OperationWidth(3)

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.run { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

/// A concurrent queue of which only so many blocks run at a time.
private final class OperationWidth: Sendable {
    private let queues: [DispatchQueue]
    private let next = DispatchQueue(label: "vault.tests.next")
    nonisolated(unsafe) private var turn = 0

    init(_ width: Int) { queues = (0..<width).map { DispatchQueue(label: "vault.tests.blocking.\($0)") } }

    func run(_ block: @escaping @Sendable () -> Void) {
        // `turn` is only touched on `next`.
        let queue = next.sync {
            turn = (turn + 1) % queues.count
            return queues[turn]
        }
        queue.async(execute: block)
    }
}
