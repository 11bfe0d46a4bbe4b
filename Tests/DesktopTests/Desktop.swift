import DesktopSession
import Foundation
import Synchronization
import TestSupport

/// A desktop of a test's own: two real buses, with `Tests/Support/desktop/stand-in.py` on them.
final class StandInDesktop: Sendable {
    /// The variables of a program on these buses.
    let environment: [String: String]
    // `write` and `closeInput` are called under this lock, `read` by one thread, and none touches what another does.
    nonisolated(unsafe) private let program: Program
    private let lock = Mutex(())
    private let heard = Heard<String>()

    init() throws {
        let program = try Program(
            [Sandbox.supportFile("desktop/stand-in.py")],
            environment: ["PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"]
        )
        self.program = program
        let line = program.read { $0.contains(10) }
        let first = try JSONSerialization.jsonObject(with: Data(line)) as? [String: [String: String]]
        guard let environment = first?["environment"] else { throw Broken(what: "no desktop") }
        self.environment = environment
        nonisolated(unsafe) let reader = program
        Thread.detachNewThread { [heard] in
            while true {
                let lines = reader.read { $0.last == 10 }
                guard !lines.isEmpty else { break }
                for line in lines.split(separator: 10) {
                    let event = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: String]
                    if let said = event?["said"] { heard.add(said) }
                    if let done = event?["done"] { heard.add("done: " + done) }
                }
            }
        }
    }

    // It ends with its input, and removes what it made; the thread that reads from it waits for that.
    deinit { lock.withLock { _ in program.closeInput() } }

    /// What has been said by now.
    var said: [String] { heard.all.filter { !$0.hasPrefix("done: ") } }

    /// Has it do something, and waits until that is done.
    func tell(_ command: String) async throws {
        let before = heard.all.count { $0 == "done: " + command }
        lock.withLock { _ in program.write(command + "\n") }
        try await eventually(command) { heard.all.count { $0 == "done: " + command } > before }
    }

    /// Waits until it has said something so many times.
    func waits(for text: String, times: Int = 1) async throws {
        try await eventually(text) { said.count { $0 == text } >= times }
    }

    /// How many delay locks are held now.
    func locksHeld() async throws -> Int {
        try await tell("held")
        return said.last { $0.hasPrefix("held ") }.flatMap { Int($0.dropFirst(5)) } ?? -1
    }
}

/// What was heard, from whichever thread.
final class Heard<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])
    var all: [Element] { elements.withLock { $0 } }
    func add(_ element: Element) { elements.withLock { $0.append(element) } }
}

/// A session that listens, and what it has heard.
final class Listening: Sendable {
    let session: DesktopSession
    private let heard = Heard<DesktopEvent>()

    var events: [DesktopEvent] { heard.all }

    init(_ environment: [String: String], program: String? = nil, pause: Duration = .seconds(60)) {
        session = DesktopSession(program: program, environment: environment, pause: pause)
        let events = session.events
        Task { [heard] in for await event in events { heard.add(event) } }
        session.start()
    }

    deinit { session.end() }

    /// Waits until exactly these have been heard.
    func waits(for expected: [DesktopEvent]) async throws {
        try await eventually("\(expected), not \(events)") { events.count >= expected.count }
        guard events == expected else { throw Broken(what: "heard \(events), expected \(expected)") }
    }
}
