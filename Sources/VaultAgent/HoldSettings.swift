package import AgentClient
internal import VaultAPI

/// How long a key is held, and what is done meanwhile; from the options of `vault unlock` and the user's settings.
package struct HoldSettings: Sendable {
    /// After which time the vault is locked, whatever is done with it.
    package var lifetimeSeconds: Int64?
    /// After how long without use.
    package var idleSeconds: Int64?
    /// Whether it is locked before the machine sleeps.
    package var locksOnSuspend = true
    /// Whether it is locked with the screen.
    package var locksOnScreenLock = false
    /// For how long after its last hand-out an entry is refreshed without being asked for; 0 for never.
    package var refreshesUnusedForSeconds: Int64 = 86_400
    /// Whether the desktop is told when a login is needed.
    package var notifies = true
    /// What is run when a login is needed, with `VAULT_ENTRY` in its environment.
    package var loginNeededCommand: [String] = []

    package init() {}

    /// The settings as members of a request.
    package var content: [(String, WireContent)] {
        [
            ("lifetime_seconds", lifetimeSeconds.map { .number($0) } ?? .null),
            ("idle_seconds", idleSeconds.map { .number($0) } ?? .null),
            ("lock_on_suspend", .bool(locksOnSuspend)),
            ("lock_on_screen_lock", .bool(locksOnScreenLock)),
            ("refresh_unused_for_seconds", .number(refreshesUnusedForSeconds)),
            ("notify", .bool(notifies)),
            ("login_needed_command", .strings(loginNeededCommand)),
        ]
    }

    /// Reads what `content` wrote; what is missing is as by default.
    init(_ params: WireValue) {
        lifetimeSeconds = params["lifetime_seconds"]?.integer.flatMap { $0 > 0 ? $0 : nil }
        idleSeconds = params["idle_seconds"]?.integer.flatMap { $0 > 0 ? $0 : nil }
        locksOnSuspend = params["lock_on_suspend"]?.bool ?? locksOnSuspend
        locksOnScreenLock = params["lock_on_screen_lock"]?.bool ?? locksOnScreenLock
        refreshesUnusedForSeconds = max(0, params["refresh_unused_for_seconds"]?.integer ?? refreshesUnusedForSeconds)
        notifies = params["notify"]?.bool ?? notifies
        loginNeededCommand = params["login_needed_command"]?.strings ?? []
    }
}
