internal import StrictJSON
internal import SettingsFiles
package import VaultAPI

/// What the user wants of the agent, as `agent:` in `config.yaml` says it.
package struct AgentSettings: Sendable, Hashable {
    /// How long after it was unlocked a vault stays so; `nil` for as long as the agent runs.
    package var lifetime: Duration?
    /// How long after its last use a vault stays unlocked; `nil` for as long as the agent runs.
    package var idle: Duration?
    /// Whether the machine's going to sleep locks every vault.
    package var locksOnSuspend = true
    /// Whether the desktop's lock locks every vault.
    package var locksOnScreenLock = false
    /// How long after its last use an entry is still refreshed before anybody asks; zero where nothing is.
    package var refreshUnusedFor = Duration.seconds(86_400)
    /// Whether the desktop shows that a login is needed.
    package var notifies = true
    /// What to run, once for each occasion, when a login is needed; `nil` for nothing.
    ///
    /// The first is a program's absolute path, or a bare name that is looked up on the PATH. `VAULT_ENTRY` in its
    /// environment names the entry.
    package var loginNeededCommand: [String]?

    /// What holds where the user has said nothing.
    package init() {}

    private static let fields = [
        "lifetime", "idle", "lock_on_suspend", "lock_on_screen_lock", "refresh_unused_for", "notify",
        "login_needed_command",
    ]
    /// Ten years: longer is a slip, and every sum with a time of day stays far from overflow.
    private static let longest: Int64 = 3650 * 86_400

    /// Reads `config.yaml`; where there is none, or nothing in it, everything is as if nothing had been said.
    ///
    /// - Throws: `.configuration` naming file, line and field; `.unsafe` for a link, a foreign owner, or a file that
    ///   others may write, and so choose what is run; `.unavailable` if it cannot be read.
    package static func read(_ path: String) throws(VaultError) -> AgentSettings {
        guard let read = try SettingsFile.read(path) else { return AgentSettings() }
        return try AgentSettings(yaml: read.bytes, subject: path)
    }

    /// Reads the text of a file.
    ///
    /// - Parameter subject: The path, for errors.
    package init(yaml: [UInt8], subject: String) throws(VaultError) {
        // A file in which every line is commented out is what many begin with.
        guard let file = try YAMLMap.unlessEmpty(yaml, subject: subject) else { return }
        try file.requireKnown(["agent"])
        guard let map = try file.map("agent") else { return }
        try map.requireKnown(Self.fields)
        lifetime = try Self.span(map, "lifetime")
        idle = try Self.span(map, "idle")
        locksOnSuspend = try map.flag("lock_on_suspend") ?? locksOnSuspend
        locksOnScreenLock = try map.flag("lock_on_screen_lock") ?? locksOnScreenLock
        refreshUnusedFor = try Self.span(map, "refresh_unused_for", allowsNothing: true) ?? refreshUnusedFor
        notifies = try map.flag("notify") ?? notifies
        loginNeededCommand = try map.texts("login_needed_command")
        guard let program = loginNeededCommand?.first else {
            guard loginNeededCommand == nil else {
                throw map.fault("login_needed_command", "is an empty list; leave the line out instead")
            }
            return
        }
        // What the current directory of an agent is, nobody who writes this file knows.
        guard program.hasPrefix("/") || !program.contains("/") else {
            throw map.fault("login_needed_command", "begins with a relative path, expected one from / or a bare name")
        }
    }

    /// A time span as the command line writes it: `90`, `90s`, `5m`, `2h`, `1d`.
    private static func span(
        _ map: YAMLMap,
        _ name: String,
        allowsNothing: Bool = false
    ) throws(VaultError) -> Duration? {
        guard let text = try map.textOrNumber(name) else { return nil }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? Substring(text) : text.dropLast()
        // At most 9 digits: ten years in seconds have as many, and the product cannot overflow.
        guard !digits.isEmpty, digits.utf8.count <= 9, digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = Int64(digits)
        else {
            throw map.fault(name, "is no time span, expected one such as 90s, 5m, 8h or 1d")
        }
        let seconds = number * (unit ?? 1)
        guard seconds > 0 || allowsNothing else {
            throw map.fault(name, "is no time at all; leave the line out instead")
        }
        guard seconds <= longest else { throw map.fault(name, "is longer than ten years (3650d)") }
        return .seconds(seconds)
    }
}
