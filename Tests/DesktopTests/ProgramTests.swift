import DesktopSession
import Foundation
import TestSupport
import Testing

/// The program and its starter where something is missing or broken.
struct ProgramTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    @Test(.blocking, arguments: ["nothing", "a bus that is not there", "no bus at all", "a bus that says nothing"])
    func withoutABusItWaitsForTheEndOfItsInput(place: String) throws {
        var environment = ["XDG_RUNTIME_DIR": home.path("run")]
        environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=" + home.path("none")
        if place == "a bus that is not there" {
            environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + home.path("none")
        }
        if place == "no bus at all" { environment["DBUS_SESSION_BUS_ADDRESS"] = "autolaunch:" }
        var silent: Program?
        if place == "a bus that says nothing" {
            silent = try Program(["python3", "-c", Self.silence, home.path("silent")])
            #expect(silent?.read { $0.contains(10) } == [10])
            environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + home.path("silent")
        }
        let program = try Program([Self.program], environment: environment)
        if silent == nil { #expect(program.read { $0.contains(10) } == Array("ready\n".utf8)) }
        program.write("locked\nnotify a !!! YQ==\nnotify\n\u{0}nonsense\nnotify a YQ== YQ==\n")
        program.closeInput()
        #expect(program.end() == 0)
        #expect(program.read() == [])
    }

    @Test(.blocking) func aLineWithoutAnEndIsTheEnd() throws {
        let program = try Program([Self.program], environment: ["DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"])
        #expect(program.read { $0.contains(10) } == Array("ready\n".utf8))
        program.write(String(repeating: "x", count: 200_000))
        #expect(program.read() == [])
        #expect(program.end() == 0)
    }

    @Test func whatIsNotInstalledSaysNothing() async throws {
        let session = DesktopSession(program: home.path("none"), environment: [:], pause: .zero)
        session.start()
        session.lockedForSleep()
        session.notify(id: "a", summary: "b", body: "c")
        session.end()
        for await event in session.events { Issue.record("heard \(event)") }
    }

    @Test func aProgramThatEndsIsNotStartedMoreOftenThanItMay() async throws {
        let program = try home.write("ends", "#!/bin/sh\necho lock\n", mode: 0o700)
        let began = ContinuousClock.now
        let listening = Listening([:], program: program, pause: .milliseconds(300))
        try await eventually("the fifth start") { listening.events.count >= 5 }
        #expect(ContinuousClock.now - began >= .milliseconds(4 * 300))
    }

    @Test(arguments: ["yes x | tr -d '\\n'", "exec sleep 1000", "exec 0</dev/null; exec sleep 1000"])
    func aProgramThatIsNoneIsReplaced(line: String) async throws {
        let program = try home.write("odd", "#!/bin/sh\necho lock\n\(line)\n", mode: 0o700)
        let listening = Listening(["PATH": "/usr/bin:/bin"], program: program, pause: .milliseconds(1))
        try await eventually("another start") {
            // One that reads nothing is full some day.
            for _ in 0..<50 {
                listening.session.notify(id: "a", summary: "a", body: String(repeating: "b", count: 999))
            }
            return listening.events.count >= 3
        }
    }

    private static let program = Sandbox.program + "-desktop"
    private static let silence = """
        import socket, sys
        server = socket.socket(socket.AF_UNIX)
        server.bind(sys.argv[1])
        server.listen()
        print(flush=True)
        sys.stdin.read()
        """
}
