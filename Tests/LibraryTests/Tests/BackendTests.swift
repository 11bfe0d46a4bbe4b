import ExampleBackend
import Foundation
import TestSupport
import Testing
import VaultStorage
import VaultTestKit

/// The example of a backend, tried as whoever writes one tries theirs.
@Suite(.blocking)
struct BackendTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conforms(_ conformance: RecordStoreConformance.Case) async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/example-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await conformance.run(
            StoreUnderTest(
                create: { try FileStore.create(in: directory, header: $0) },
                reopen: { try FileStore.open(in: directory) },
                openReadOnly: { try FileStore.open(in: directory, readOnly: true) },
                interrupt: { _, step in try Self.die(in: directory, at: step) }
            )
        )
    }

    /// Leaves what a process leaves that dies before its new file has the name: the first bytes of that file.
    private static func die(in directory: String, at step: Int) throws -> Bool {
        let whole = try Data(contentsOf: URL(filePath: directory + "/records.plist"))
        guard step * 100 < whole.count else { return false }
        try whole.prefix(step * 100).write(to: URL(filePath: directory + "/records.plist.new"))
        return true
    }

    // A lock that its holder's process leaves behind is free; a file of that name is no lock.
    @Test func aLeaseDiesWithItsProcess() async throws {
        let directory = FileManager.default.temporaryDirectory.path + "/example-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try FileStore.create(in: directory, header: StoredHeader(generation: 1, bytes: []))
        let name = try #require(LeaseName([UInt8](repeating: 7, count: 16)))
        let path = "\(directory)/lease-\(String(repeating: "07", count: 16)).lock"
        let holder = Process()
        holder.executableURL = URL(filePath: "/usr/bin/flock")
        holder.arguments = [path, "sh", "-c", "echo; exec sleep 1000"]
        let output = Pipe()
        holder.standardOutput = output
        try holder.run()
        _ = output.fileHandleForReading.availableData
        #expect(try await store.tryLease(name) == nil)
        // Both flock and what it runs have the lock.
        _ = try await #require(run(["pkill", "-KILL", "-P", "\(holder.processIdentifier)"]))
        holder.terminate()
        holder.waitUntilExit()
        let lease = try await store.lease(name, within: .seconds(60), clock: ContinuousClock())
        lease.release()
    }

    private func run(_ command: [String]) async throws -> Int32? {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test func aVaultOpensInIt() throws {
        let home = try Sandbox()
        let program = URL(filePath: Sandbox.program).deletingLastPathComponent().path() + "library-example"
        let outcome = try home.run([program, "backend", home.path("own"), "sesame"])
        #expect(outcome.lines.first == "sk-EXAMPLE", "\(outcome.notes)")
        #expect(outcome.lines.last?.hasPrefix("error 6 ") == true, "\(outcome.text)")
        let file = String(decoding: try home.read(home.path("own/records.plist")), as: UTF8.self)
        #expect(!file.contains("example") && !file.contains("EXAMPLE"))
    }

    // What the article quotes is what is compiled and tried here.
    @Test func theArticleShowsTheExample() throws {
        func text(_ path: String) throws -> String {
            try String(contentsOfFile: Sandbox.supportFile("../../" + path), encoding: .utf8)
        }
        let article = try text("Sources/VaultTestKit/VaultTestKit.docc/WritingABackend.md")
        let sources = try [
            "ExampleBackend/FileStore.swift", "ExampleBackend/OwnVault.swift", "Tests/BackendTests.swift",
        ]
        .map { Self.squeezed(try text("Tests/LibraryTests/" + $0)) }
        let parts = article.components(separatedBy: "```")
        let blocks = parts.filter { $0.hasPrefix("swift\n") }
        #expect(blocks.count >= 6)
        for block in blocks {
            let squeezed = Self.squeezed(String(block.dropFirst(6)))
            #expect(!squeezed.isEmpty)
            #expect(sources.contains { $0.contains(squeezed) }, "\(block)")
        }
    }

    private static func squeezed(_ text: String) -> String { text.filter { !$0.isWhitespace } }
}
