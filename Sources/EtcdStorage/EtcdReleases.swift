internal import Dispatch
internal import Glibc

/// Releases on their way to the cluster.
///
/// A lease is released where nothing can wait, and a command ends right after. At the end of the process they are waited
/// for, so that nobody elsewhere has to sit out the lifetime of a lease that was let go.
enum EtcdReleases {
    private static let limit = DispatchTimeInterval.seconds(2)
    private static let running = DispatchGroup()
    private static let isWaitedFor: Void = {
        atexit { _ = EtcdReleases.running.wait(timeout: .now() + EtcdReleases.limit) }
    }()

    static func run(_ release: @escaping @Sendable () async -> Void) {
        _ = isWaitedFor
        running.enter()
        Task.detached {
            await release()
            running.leave()
        }
    }
}
