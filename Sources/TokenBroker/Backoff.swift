internal import VaultAPI
internal import VaultCore

/// How long nobody asks a server that is in trouble.
///
/// It lies in the entry, so that it outlives the process: forty tools that ask every second must not become forty
/// requests a second.
package struct Backoff: Sendable {
    /// "a healthy server is asked again within 25 s": whatever a `Retry-After` says, because behind it is a person who
    /// waits, and one request in 24 s is no burden.
    static let longest = 24.0

    /// Gives a number from 0.5 to 1.
    private let jitter: @Sendable () -> Double

    package init(jitter: @escaping @Sendable () -> Double = { Double.random(in: 0.5...1) }) { self.jitter = jitter }

    /// When the next attempt may be made after so many failures in a row.
    func retry(after failures: UInt32, at now: Timestamp, server: Duration?) -> Timestamp {
        let doubled = min(Self.longest, 1.0 * Double(1 << min(failures - 1, 8)))
        let asked = server.map { Double($0.components.seconds) } ?? 0
        let seconds = min(Self.longest, max(doubled * jitter(), asked))
        let milliseconds = Int64(seconds * 1000) + now.seconds * 1000 + Int64(now.nanoseconds / 1_000_000)
        return Timestamp(milliseconds: milliseconds) ?? now
    }
}

extension RefreshFailure {
    /// Whether nobody asks the server yet.
    ///
    /// A time that no back-off reaches was written by a clock that was ahead; it would lock the entry out until then.
    func isBackedOff(at now: Timestamp) -> Bool {
        retryAt > now && retryAt.seconds - now.seconds <= Int64(Backoff.longest)
    }
}
