import DesktopSession
import Foundation
import TestSupport
import Testing

/// Real buses and the real `vault-desktop`; logind and the desktop are stand-ins, since neither can run in a test.
@Suite(.blocking)
struct DesktopTests {
    private let desktop: StandInDesktop

    init() throws { desktop = try StandInDesktop() }

    @Test func theMachineSleepsWhenTheAgentSaysSoAndNotBefore() async throws {
        let listening = Listening(desktop.environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        // Said before there is a reason to, it means nothing.
        try await listening.isListening(on: desktop)
        listening.session.lockedForSleep()
        // What is said behind it shows that it has been heard.
        listening.session.notify(id: "behind", summary: "behind", body: "")
        try await desktop.waits(for: "notify 2 behind|")
        try await desktop.tell("sleep")
        try await listening.waits(for: [.sleep])
        #expect(try await desktop.locksHeld() == 1)
        listening.session.lockedForSleep()
        try await desktop.waits(for: "released")
        #expect(try await desktop.locksHeld() == 0)
        try await desktop.tell("wake")
        try await listening.waits(for: [.sleep, .wake])
        try await desktop.waits(for: "inhibit sleep vault delay", times: 2)
        #expect(try await desktop.locksHeld() == 1)
        try await desktop.tell("sleep")
        try await listening.waits(for: [.sleep, .wake, .sleep])
        #expect(try await desktop.locksHeld() == 1)
    }

    @Test func aLockThatTheMachineDidNotWaitForIsKeptForTheNextSleep() async throws {
        let listening = Listening(desktop.environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        for command in ["sleep", "wake", "sleep"] { try await desktop.tell(command) }
        try await listening.waits(for: [.sleep, .wake, .sleep])
        #expect(try await desktop.locksHeld() == 1)
        listening.session.lockedForSleep()
        try await desktop.waits(for: "released")
        #expect(try await desktop.locksHeld() == 0)
    }

    @Test func anotherLogindIsAskedAnew() async throws {
        let listening = Listening(desktop.environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        try await desktop.tell("leave")
        try await desktop.waits(for: "released")
        try await desktop.tell("return")
        try await desktop.waits(for: "inhibit sleep vault delay", times: 2)
        try await desktop.tell("sleep")
        try await listening.waits(for: [.sleep])
    }

    @Test(arguments: ["lock", "hint true", "saver freedesktop true", "saver gnome true"])
    func everyWayToLockTheScreenIsHeard(way: String) async throws {
        let listening = Listening(desktop.environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        try await listening.isListening(on: desktop)
        // None of these locks this user's screen; the last two show that all of them were looked at.
        for other in ["foreign-lock", "foreign-hint", "hint false", "saver freedesktop false", "saver gnome false"] {
            try await desktop.tell(other)
        }
        try await desktop.tell(way)
        try await desktop.tell("sleep")
        try await eventually("\(listening.events)") { listening.events.count >= 2 }
        #expect(Set(listening.events) == [.lock, .sleep] && listening.events.count == 2)
    }

    @Test func aNotificationIsShownAsItIsAndReplacesTheLastOfItsID() async throws {
        let listening = Listening(desktop.environment)
        try await listening.isListening(on: desktop)
        let body = "a <b>bold</b> & \u{1B}[31m \"näme\"\nof two lines"
        listening.session.notify(id: "oauth:a", summary: "Log in <again>", body: body)
        try await desktop.waits(
            for: "notify 2 Log in <again>|a &lt;b&gt;bold&lt;/b&gt; &amp; [31m \"näme\"\nof two lines"
        )
        listening.session.notify(id: "oauth:b", summary: "b", body: "")
        try await desktop.waits(for: "notify 3 b|")
        listening.session.notify(id: "oauth:a", summary: "a", body: "once more")
        try await desktop.waits(for: "notify 2 a|once more")
        try await desktop.tell("close 2")
        try await desktop.tell("plain")
        listening.session.notify(id: "oauth:b", summary: "b", body: "a & b")
        try await desktop.waits(for: "notify 3 b|a & b")
        listening.session.notify(id: "oauth:a", summary: "a", body: "closed before")
        try await desktop.waits(for: "notify 4 a|closed before")
    }

    @Test func aTextOfAnyLengthIsShownCut() async throws {
        let listening = Listening(desktop.environment)
        let long = String(repeating: "é", count: 500_000)
        listening.session.notify(id: String(repeating: "i", count: 200), summary: long, body: long)
        try await eventually("a notification") { desktop.said.contains { $0.hasPrefix("notify 1 ") } }
        let shown = desktop.said.first { $0.hasPrefix("notify 1 ") } ?? ""
        #expect(shown.hasSuffix("éé…") && shown.count < 2300)
    }

    @Test func aBusThatGoesIsNotTheEndAndIsFoundAgain() async throws {
        let listening = Listening(desktop.environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        try await listening.isListening(on: desktop)
        try await desktop.tell("kill session")
        try await desktop.tell("lock")
        try await listening.waits(for: [.lock])
        try await desktop.tell("kill system")
        try await desktop.tell("start system")
        try await desktop.waits(for: "inhibit sleep vault delay", times: 2)
        try await desktop.tell("sleep")
        try await listening.waits(for: [.lock, .sleep])
        try await desktop.tell("start session")
        try await eventually("a lock on the new bus") {
            try await desktop.tell("saver gnome true")
            return listening.events.count > 2
        }
        #expect(listening.events[2] == .lock)
    }

    @Test func aChildThatIsKilledLetsGoAndIsReplaced() async throws {
        let listening = Listening(desktop.environment, pause: .milliseconds(10))
        try await desktop.waits(for: "inhibit sleep vault delay")
        let first = try #require(children().first)
        kill(first, SIGKILL)
        try await desktop.waits(for: "released")
        try await desktop.waits(for: "inhibit sleep vault delay", times: 2)
        #expect(!children().contains(first))
        try await desktop.tell("sleep")
        try await listening.waits(for: [.sleep])
    }

    @Test func theChildKnowsNothingButTheBusesAndEndsWithTheSession() async throws {
        var environment = desktop.environment
        environment["VAULT_PASSPHRASE_FILE"] = "/x"
        environment["HOME"] = "/x"
        var listening: Listening? = Listening(environment)
        try await desktop.waits(for: "inhibit sleep vault delay")
        let child = try #require(children().first)
        let variables = try Data(contentsOf: URL(filePath: "/proc/\(child)/environ")).split(separator: 0)
        let names = variables.map { String(decoding: $0.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self) }
        #expect(Set(names) == Set(desktop.environment.keys).union(["SWIFT_BACKTRACE"]))
        #expect(listening?.events == [])
        listening = nil
        try await desktop.waits(for: "released")
        // Reaped, too: not even a zombie is left.
        try await eventually("its end") { kill(child, 0) != 0 }
    }

    /// The processes of `vault-desktop` on this test's buses.
    private func children() -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.compactMap { pid_t($0) }.filter { process in
            let name = try? String(contentsOf: URL(filePath: "/proc/\(process)/comm"), encoding: .utf8)
            let environment = try? Data(contentsOf: URL(filePath: "/proc/\(process)/environ"))
            guard name == "vault-desktop\n", let environment, let own = desktop.environment["XDG_RUNTIME_DIR"] else {
                return false
            }
            return String(decoding: environment, as: UTF8.self).contains(own)
        }
    }
}

extension Listening {
    /// Waits until the session bus is listened to as well: what is shown there was asked for after that.
    fileprivate func isListening(on desktop: StandInDesktop) async throws {
        session.notify(id: "first", summary: "first", body: "")
        try await desktop.waits(for: "notify 1 first|")
    }
}
