import Foundation
import Providers
import Testing
import VaultAPI

struct AgentSettingsTests {
    private let home: Scratch

    init() throws { home = try Scratch() }

    private func settings(_ text: String) throws -> AgentSettings {
        try AgentSettings(yaml: Array(text.utf8), subject: "config.yaml")
    }

    @Test func everyFieldIsRead() throws {
        let path = try home.write(
            "config.yaml",
            """
            agent:
              lifetime: 8h
              idle: 90
              lock_on_suspend: false
              lock_on_screen_lock: true
              refresh_unused_for: 0
              notify: no
              login_needed_command: [notify-send, --app-name=vault, "log in again"]

            """
        )
        let read = try AgentSettings.read(path)
        #expect(read.lifetime == .seconds(28_800) && read.idle == .seconds(90))
        #expect(!read.locksOnSuspend && read.locksOnScreenLock && !read.notifies)
        #expect(read.refreshUnusedFor == .zero)
        #expect(read.loginNeededCommand == ["notify-send", "--app-name=vault", "log in again"])
    }

    @Test func whatIsNotSaidIsAsIfThereWereNoFile() throws {
        let none = try AgentSettings.read(home.path("none.yaml"))
        #expect(none.lifetime == nil && none.idle == nil && none.loginNeededCommand == nil)
        #expect(none.locksOnSuspend && !none.locksOnScreenLock && none.notifies)
        #expect(none.refreshUnusedFor == .seconds(86_400))
        for text in ["", "# agent:\n#   idle: 1h\n", "{}\n", "agent: {}\n"] { #expect(try settings(text) == none) }
        #expect(try settings("agent: {idle: 1d}\n").idle == .seconds(86_400))
        #expect(try settings("agent: {idle: 1d}\n") != none)
    }

    @Test(arguments: [
        ("agents: {}\n", "line 1: agents: is no field; did you mean agent?"),
        ("agent:\n  idle: 1h\n  lock_on_suspnd: true\n", "line 3: agent.lock_on_suspnd: is no field"),
        ("agent: {lock_on_suspnd: true}\n", "did you mean lock_on_suspend?"),
        ("agent: {lfietime: 1h}\n", "did you mean lifetime?"),
        ("agent: {screensaver: true}\n", "is no field; the fields are lifetime, idle, "),
        ("agent: 8h\n", "line 1: agent: is a text"), ("agent:\n", "agent: is empty"), ("- agent\n", "is a list"),
        ("agent: {lifetime: 0}\n", "agent.lifetime: is no time at all"), ("agent: {idle: 0m}\n", "is no time at all"),
        ("agent: {lifetime: 8 hours}\n", "agent.lifetime: is no time span"), ("agent: {idle: h}\n", "is no time span"),
        ("agent: {idle: -5}\n", "is no time span"), ("agent: {idle: 1:30}\n", "is no time span"),
        ("agent: {idle: 0x10}\n", "is no time span"), ("agent: {idle: +5m}\n", "is no time span"),
        ("agent: {idle: 1.5}\n", "agent.idle: is a number"), ("agent: {idle: ٣m}\n", "is no time span"),
        ("agent: {lifetime: 3651d}\n", "is longer than ten years"),
        ("agent: {lifetime: 9999999999s}\n", "is no time span"),
        ("agent: {refresh_unused_for: true}\n", "agent.refresh_unused_for: is true or false"),
        ("agent: {notify: 1}\n", "agent.notify: is a number, expected true or false"),
        ("agent: {login_needed_command: mail}\n", "is a text, expected a list"),
        ("agent: {login_needed_command: []}\n", "is an empty list"),
        ("agent: {login_needed_command: [bin/mail]}\n", "begins with a relative path"),
        ("agent: {login_needed_command: [mail, \"a\\nb\"]}\n", "control character"),
    ])
    func aMistakeIsNamedWithFileAndLine(text: String, place: String) {
        expect(.configuration, naming: place) { _ = try settings(text) }
        expect(.configuration, naming: "config.yaml") { _ = try settings(text) }
    }

    @Test func whatOthersMayWriteIsNotObeyed() throws {
        let path = try home.write("config.yaml", "agent: {login_needed_command: [id]}\n", mode: 0o622)
        expect(.unsafe, naming: "others can write it") { _ = try AgentSettings.read(path) }
        try home.setMode(0o644, "config.yaml")
        #expect(try AgentSettings.read(path).loginNeededCommand == ["id"])
    }

    @Test func theSchemaSaysTheSame() throws {
        let good: [[String: Any]] = [
            [:], ["agent": [:]], ["agent": ["lifetime": "8h", "idle": 5, "refresh_unused_for": 0]],
            ["agent": ["lock_on_suspend": false, "lock_on_screen_lock": true, "notify": false]],
            ["agent": ["refresh_unused_for": "3650d", "login_needed_command": ["/bin/x", "a/b"]]],
        ]
        let bad: [[String: Any]] = [
            ["agents": [:]], ["agent": ["lifetime": 0]], ["agent": ["idle": "0s"]], ["agent": ["idle": "1w"]],
            ["agent": ["idle": -1]], ["agent": ["notify": "yes"]], ["agent": ["login_needed_command": []]],
            ["agent": ["login_needed_command": ["a/b"]]], ["agent": ["login_needed_command": "a"]],
            ["agent": ["idle": 315_360_001]], ["agent": "8h"], ["agent": ["lock_on_suspnd": true]],
        ]
        func text(_ document: [String: Any]) throws -> String {
            String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
        }
        for document in good { _ = try settings(text(document)) }
        for document in bad { expect(.configuration) { _ = try settings(text(document)) } }
        func complaints(_ document: [String: Any]) throws -> Int {
            try home.complaints([["x", "config.schema.json", document]]).count
        }
        for document in good { #expect(try complaints(document) == 0, "\(document)") }
        for document in bad { #expect(try complaints(document) > 0, "\(document)") }
    }
}
