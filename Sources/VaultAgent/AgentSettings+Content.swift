package import AgentClient
package import Providers

extension AgentSettings {
    /// The settings as members of a request.
    package var content: [(String, WireContent)] {
        [
            ("lifetime_seconds", lifetime.map { .number($0.components.seconds) } ?? .null),
            ("idle_seconds", idle.map { .number($0.components.seconds) } ?? .null),
            ("lock_on_suspend", .bool(locksOnSuspend)),
            ("lock_on_screen_lock", .bool(locksOnScreenLock)),
            ("refresh_unused_for_seconds", .number(refreshUnusedFor.components.seconds)),
            ("notify", .bool(notifies)),
            ("login_needed_command", loginNeededCommand.map { .strings($0) } ?? .null),
        ]
    }

    /// Reads what `content` wrote; what is missing is as by default.
    init(_ params: WireValue) {
        self.init()
        func seconds(_ name: String) -> Duration? {
            params[name]?.integer.flatMap { $0 >= 0 && $0 <= 1 << 40 ? .seconds($0) : nil }
        }
        lifetime = seconds("lifetime_seconds").flatMap { $0 > .zero ? $0 : nil }
        idle = seconds("idle_seconds").flatMap { $0 > .zero ? $0 : nil }
        locksOnSuspend = params["lock_on_suspend"]?.bool ?? locksOnSuspend
        locksOnScreenLock = params["lock_on_screen_lock"]?.bool ?? locksOnScreenLock
        refreshUnusedFor = seconds("refresh_unused_for_seconds") ?? refreshUnusedFor
        notifies = params["notify"]?.bool ?? notifies
        loginNeededCommand = params["login_needed_command"]?.strings.flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension Duration {
    /// Whole milliseconds.
    var milliseconds: UInt64 {
        UInt64(clamping: components.seconds) * 1000 + UInt64(clamping: components.attoseconds / 1_000_000_000_000_000)
    }
}
