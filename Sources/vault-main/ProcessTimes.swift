internal import Glibc
internal import VaultAPI

/// When this process was started.
enum ProcessTimes {
    /// Its start by the time of day.
    ///
    /// Twenty commands that are started at once reach their first line one after the other; by then the first may have
    /// its new token. What the user calls "at once" is the start of the processes, which the kernel knows.
    ///
    /// The kernel says it in ticks of 10 ms, rounded down. Here it is the end of that tick: a command that is started
    /// when another has ended must not count as begun before that one's refresh.
    static let began: Timestamp = {
        let (now, boot) = simultaneousTimes()
        let ticks = sysconf(Int32(_SC_CLK_TCK))
        guard let file = fopen("/proc/self/stat", "re") else { return now }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 2048)
        guard ticks > 0, fgets(&line, 2048, file) != nil else { return now }
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // proc(5): the second field is the name in parentheses, which may hold anything; starttime is the 22nd.
        guard let end = text.lastIndex(of: ")") else { return now }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let started = Int64(fields[19]) else { return now }
        let age = boot - (started + 1) * 1000 / Int64(ticks)
        guard age >= 0, age < 86_400_000 else { return now }
        return Timestamp(milliseconds: now.seconds * 1000 + Int64(now.nanoseconds / 1_000_000) - age) ?? now
    }()

    /// The time of day, and the milliseconds since the machine was started.
    private static func simultaneousTimes() -> (Timestamp, Int64) {
        func milliseconds(_ clock: clockid_t) -> Int64 {
            var time = timespec()
            clock_gettime(clock, &time)
            return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
        }
        var (boot, now) = (milliseconds(CLOCK_BOOTTIME), Timestamp.systemNow)
        // Whoever loses the processor between the two would be that much younger.
        for _ in 0..<100 where milliseconds(CLOCK_BOOTTIME) - boot > 1 {
            (boot, now) = (milliseconds(CLOCK_BOOTTIME), Timestamp.systemNow)
        }
        return (now, boot)
    }
}
