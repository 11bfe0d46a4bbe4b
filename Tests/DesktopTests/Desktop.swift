import DesktopSession
import Foundation
import Synchronization
import TestSupport

/// A desktop of a test's own: two real buses, with `Tests/Support/desktop/stand-in.py` on them.
final class StandInDesktop: Sendable {
    /// The variables of a program on these buses.
    let environment: [String: String]
    private let commands: Mutex<FileHandle>
    private let process: Process
    private let heard = Heard<String>()

    init() throws {
        let (input, output) = (Pipe(), Pipe())
        process = Process()
        process.executableURL = URL(filePath: Sandbox.supportFile("desktop/stand-in.py"))
        process.environment = ["PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        commands = Mutex(input.fileHandleForWriting)
        let lines = Lines(output.fileHandleForReading)
        let first = try lines.next().map { try JSONSerialization.jsonObject(with: $0) } as? [String: [String: String]]
        guard let environment = first?["environment"] else { throw Broken(what: "no desktop") }
        self.environment = environment
        Thread.detachNewThread { [heard] in
            while let line = lines.next() {
                let event = try? JSONSerialization.jsonObject(with: line) as? [String: String]
                if let said = event?["said"] { heard.add(said) }
                if let done = event?["done"] { heard.add("done: " + done) }
            }
        }
    }

    deinit {
        // It removes what it made. Nobody waits: that would hold up a thread that all tests share.
        process.terminate()
    }

    /// What has been said by now.
    var said: [String] { heard.all.filter { !$0.hasPrefix("done: ") } }

    /// Has it do something, and waits until that is done.
    func tell(_ command: String) async throws {
        let before = heard.all.count { $0 == "done: " + command }
        try commands.withLock { try $0.write(contentsOf: Data((command + "\n").utf8)) }
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

/// The lines of a program, read by one thread at a time.
private final class Lines: @unchecked Sendable {
    private let handle: FileHandle
    private var rest = Data()

    init(_ handle: FileHandle) { self.handle = handle }

    func next() -> Data? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                defer { rest = Data(rest[(end + 1)...]) }
                return Data(rest[..<end])
            }
            let more = handle.availableData
            guard !more.isEmpty else { return nil }
            rest += more
        }
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
