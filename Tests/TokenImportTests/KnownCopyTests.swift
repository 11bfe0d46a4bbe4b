import Foundation
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// One refresh token in two files: the hold ends with the last of them.
struct KnownCopyTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private var options: ImportOptions { ImportOptions(machine: Machine(home: directory.path, environment: [:])) }

    @discardableResult
    private func run(_ paths: [String], remove: Bool = false) async throws -> ImportReport {
        var options = options
        options.remove = remove
        return try await ImportPlan.make(paths, options: options, for: vault, now: testNow)
            .execute(into: vault, now: testNow)
    }

    private func twoFiles() throws -> (String, String) {
        (try directory.copy("codex/auth.json"), try directory.copy("codex/auth.json", to: "o%ther\n/auth.json"))
    }

    private var state: EntryState? { vault.summary("codex")?.state }

    @Test(arguments: [false, true]) func staysHeldUntilTheCopyIsGoneToo(oneByOne: Bool) async throws {
        let (own, copy) = try twoFiles()
        if oneByOne {
            try await run([own])
            try await run([copy])
        } else {
            try await run([own, copy])
        }
        #expect(vault.summary("codex")?.copyPaths == [copy])
        let first = try await run([own], remove: true)
        #expect(!directory.exists(own) && state == .held(.secondOwner))
        #expect(first.code == .partial && first.failures.map(\.path) == [copy])
        #expect(first.failures.first?.error.code == .unsafe)
        #expect(first.failures.first?.error.hint?.contains("--remove") == true)
        let second = try await run([copy], remove: true)
        #expect(second.code == nil, "\(second.lines)")
        #expect(!directory.exists(copy) && state == .active)
        #expect(vault.summary("codex")?.copyPaths == [])
        #expect(vault.text("codex", .refreshToken) == "rt-EXAMPLE")
    }

    @Test func staysHeldUntilItsOwnFileIsGoneToo() async throws {
        let (own, copy) = try twoFiles()
        try await run([own, copy])
        let first = try await run([copy], remove: true)
        #expect(!directory.exists(copy) && directory.exists(own) && state == .held(.secondOwner))
        #expect(first.code == nil, "\(first.lines)")
        let second = try await run([own], remove: true)
        #expect(second.code == nil, "\(second.lines)")
        #expect(state == .active)
    }

    @Test func endsWithBothAtOnce() async throws {
        let (own, copy) = try twoFiles()
        try await run([own, copy])
        let report = try await run([own, copy], remove: true)
        #expect(report.code == nil, "\(report.lines)")
        #expect(!directory.exists(own) && !directory.exists(copy) && state == .active)
    }

    @Test func mindsAThirdThatWasNotNamed() async throws {
        let (own, copy) = try twoFiles()
        let third = try directory.copy("codex/auth.json", to: "third/auth.json")
        try await run([own, copy, third])
        let report = try await run([own, copy], remove: true)
        #expect(report.failures.map(\.path) == [third] && state == .held(.secondOwner))
        try await run([third], remove: true)
        #expect(state == .active)
    }

    @Test(arguments: ["", "{}", "no token", #"{"tokens": 7}"#])
    func isNotHeldForAFileThatLostTheToken(text: String) async throws {
        let (own, copy) = try twoFiles()
        try await run([own, copy])
        try Data(text.utf8).write(to: URL(fileURLWithPath: copy))
        let report = try await run([own], remove: true)
        #expect(report.code == nil, "\(report.lines)")
        #expect(state == .active)
    }

    @Test func isNotHeldForAnotherLogin() async throws {
        let (own, copy) = try twoFiles()
        try await run([own, copy])
        let other = try directory.text(copy).replacingOccurrences(of: "rt-EXAMPLE", with: "rt-OTHER")
        try Data(other.utf8).write(to: URL(fileURLWithPath: copy))
        try await run([own], remove: true)
        #expect(state == .active)
    }

    @Test func isHeldForAFileThatCannotBeRead() async throws {
        let (own, copy) = try twoFiles()
        try await run([own, copy])
        try FileManager.default.removeItem(atPath: copy)
        try #require(symlink(own + ".gone", copy) == 0)
        let report = try await run([own], remove: true)
        #expect(report.failures.map(\.path) == [copy] && state == .held(.secondOwner))
        try FileManager.default.removeItem(atPath: copy)
        #expect(!directory.exists(own))
    }

    @Test func isNotAdoptedWhileACopyHasTheToken() async throws {
        let vault = try await TestVault.make(in: directory)
        let (own, copy) = try twoFiles()
        let plan = try await ImportPlan.make([own, copy], options: options, for: vault, now: testNow)
        #expect(await plan.execute(into: vault, now: testNow).code == nil)
        let entry = try await vault.summary(of: try EntryName(parsing: "oauth:codex"))
        let error = await #expect(throws: VaultError.self) {
            try await SourceFile.foreignCopy(of: entry, in: vault, now: testNow, keyring: nil)
        }
        #expect(error?.code == .unsafe && error?.hint?.contains("--remove") == true)
        #expect(directory.exists(own))
        try FileManager.default.removeItem(atPath: copy)
        #expect(try await SourceFile.foreignCopy(of: entry, in: vault, now: testNow, keyring: nil) == nil)
        try await SourceFile.remove(entry, from: vault, now: testNow)
        #expect(!directory.exists(own))
        #expect(try await vault.summary(of: entry.name).state == .active)
    }
}
