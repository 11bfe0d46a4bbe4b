import Synchronization
import Testing

@testable import VaultStorage

struct BusyWaitingTests {
    @Test func givesUpAfterTenSecondsOfShortPauses() {
        let pauses = Mutex<[Duration]>([])
        let time = { @Sendable in pauses.withLock { $0.reduce(.seconds(100), +) } }
        let waiting = BusyWaiting(now: time, pause: { pause in pauses.withLock { $0.append(pause) } })
        var attempts = 0
        while waiting.triesAgain(attempt: attempts) { attempts += 1 }
        let total = pauses.withLock { $0.reduce(.zero, +) }
        #expect(total >= .seconds(10) && total < .seconds(10.01))
        #expect(pauses.withLock { $0.allSatisfy { $0 <= .milliseconds(2) } })
        #expect(pauses.withLock { Set($0).count } > 100, "the pauses are not jittered")
        // The next wait has its ten seconds again.
        #expect(waiting.triesAgain(attempt: 0))
    }
}
