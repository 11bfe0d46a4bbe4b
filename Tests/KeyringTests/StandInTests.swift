import Foundation
import VaultAPI
import KeyCustody
import TestSupport
import Testing

/// Against stand-ins for what a healthy keyring will not do (`Tests/Support/keyring/stand-in.py`).
@Suite(.serialized)
struct StandInTests {
    @Test func givesUpOnASilentKeyringWithinFiveSeconds() async throws {
        let bus = try PrivateBus(.standIn("silent"))
        let client = KeyringClient(environment: bus.environment)
        let start = ContinuousClock.now
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup(client) }
        #expect(error?.code == .timedOut)
        // The deadline is 4.5 s; other tests share the processors. D-Bus by itself would have waited for 25.
        #expect(start.duration(to: .now) < .seconds(12))
        #expect(try bus.leftovers() == [])
    }

    @Test func shortensNoDeadlineByRunningTwice() async throws {
        let bus = try PrivateBus(.standIn("silent"))
        let client = bus.client(.init(unattended: .milliseconds(300)))
        let start = ContinuousClock.now
        let key = try Sample.key()
        let error = await #expect(throws: KeyringError.self) {
            try await client.store(key, vault: Sample.vault, slot: Sample.slot, label: "x", interactive: false)
        }
        #expect(error?.code == .timedOut)
        #expect(start.duration(to: .now) < .seconds(2))
        #expect(try bus.leftovers() == [])
    }

    @Test(arguments: [
        ("dies", KeyringError.Code.unavailable), ("no-default", .absent), ("locked", .locked), ("liar", .failed),
    ])
    func lookupTellsStatesApart(mode: String, code: KeyringError.Code) async throws {
        let bus = try PrivateBus(.standIn(mode))
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup() }
        #expect(error?.code == code)
    }

    @Test(arguments: [
        ("no-default", KeyringError.Code.noDefaultCollection), ("session-default", .volatile), ("locked", .locked),
    ])
    func storeAndProbeTellStatesApart(mode: String, code: KeyringError.Code) async throws {
        let bus = try PrivateBus(.standIn(mode))
        let error = await #expect(throws: KeyringError.self) { try await bus.store() }
        #expect(error?.code == code)
        #expect(try await bus.client().probe(interactive: false).obstacle?.code == code)
        #expect(try !bus.calls().contains("CreateItem"))
    }

    @Test func dismissesAPromptNobodyCanAnswer() async throws {
        let bus = try PrivateBus(.standIn("locked"))
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup() }
        #expect(error?.code == .locked)
        #expect(try bus.calls().contains("Dismiss"))
        #expect(try !bus.calls().contains("Prompt /"))
    }

    @Test func isKilledAtTheDeadlineWhilePrompting() async throws {
        let bus = try PrivateBus(.standIn("locked"))
        let client = bus.client(.init(interactive: .seconds(1)))
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup(client, interactive: true) }
        #expect(error?.code == .timedOut)
        #expect(try bus.calls().contains("Prompt /"))
        #expect(try bus.leftovers() == [])
    }

    @Test func reportsADismissedPrompt() async throws {
        let bus = try PrivateBus(.standIn("dismissed"))
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup(interactive: true) }
        #expect(error?.code == .dismissed)
    }

    @Test func findsTheKeyAfterAnAnsweredPrompt() async throws {
        let bus = try PrivateBus(.standIn("unlocks"))
        let keys = try await bus.lookup(interactive: true)
        #expect(keys.map(Sample.bytes) == [[UInt8](repeating: 0x41, count: 32)])
    }

    @Test func asksTwiceBeforeItSaysAbsent() async throws {
        let bus = try PrivateBus(.standIn("forgetful"))
        #expect(try await bus.lookup().map(Sample.bytes) == [[UInt8](repeating: 0x41, count: 32)])
    }

    @Test func doesNotCommitToAKeyThatIsNotGivenBack() async throws {
        let bus = try PrivateBus(.standIn("forgetful"))
        let error = await #expect(throws: KeyringError.self) { try await bus.store() }
        #expect(error?.code == .failed)
    }

    @Test func printsNoControlCharactersOfALabel() async throws {
        let bus = try PrivateBus(.standIn("forgetful"))
        let state = try await bus.client().probe(interactive: false)
        #expect(state.collection == "Stand-in[2J")
        #expect(state.backend == "Secret Service (stand-in.py)")
    }

    @Test func showsTheKeyInNoArgumentAndNoVariable() async throws {
        let bus = try PrivateBus(.standIn("silent"))
        let client = bus.client(.init(unattended: .seconds(3)))
        let key = try Sample.key()
        let stored = Task { () async -> KeyringError.Code? in
            do throws(KeyringError) {
                try await client.store(key, vault: Sample.vault, slot: Sample.slot, label: "x", interactive: false)
                return nil
            } catch { return error.code }
        }
        // Waits without sleeping: the stand-in's list of calls says when the child is in the middle of it.
        try await eventually("the keyring is asked") { try bus.calls().contains("OpenSession") }
        let processes = try bus.leftovers()
        #expect(processes.count == 1)
        for process in processes {
            let seen = ["cmdline", "environ"].map { FileManager.default.contents(atPath: "/proc/\(process)/\($0)") }
            let all = seen.reduce(Data()) { $0 + ($1 ?? Data()) }
            #expect(!all.isEmpty)
            #expect(all.range(of: Data(Sample.keyText.utf8)) == nil)
            #expect(all.range(of: Data(Sample.keyBytes)) == nil)
            let streams = (0...2).map { "/proc/\(process)/fd/\($0)" }
            #expect(
                try streams.map { try FileManager.default.destinationOfSymbolicLink(atPath: $0) }
                    == ["/dev/null", "/dev/null", "/dev/null"]
            )
        }
        #expect(await stored.value == .timedOut)
        #expect(try bus.leftovers() == [])
    }
}

extension PrivateBus {
    /// What the stand-in was asked, one call a line.
    func calls() throws -> String {
        let path = (environment["PRIVATE_BUS_ROOT"] ?? "") + "/calls"
        return String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    /// The processes called vault-keyring that were started with this bus's variables, zombies among our own included.
    func leftovers() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { process in
            guard Int(process) != nil, let stat = FileManager.default.contents(atPath: "/proc/\(process)/stat") else {
                return false
            }
            let text = String(decoding: stat, as: UTF8.self)
            guard text.contains("(vault-keyring)") else { return false }
            if text.contains(") Z \(getpid()) ") { return true }
            let variables = FileManager.default.contents(atPath: "/proc/\(process)/environ") ?? Data()
            return variables.range(of: Data((environment["PRIVATE_BUS_ROOT"] ?? "?").utf8)) != nil
        }
    }
}
