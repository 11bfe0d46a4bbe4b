import Foundation
import Glibc
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

struct HostileFileTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private func failure(of path: String) async throws -> VaultError? {
        let plan = try await ImportPlan.make([path], options: ImportOptions(), for: vault, now: testNow)
        #expect(plan.items.isEmpty)
        return plan.failures.first?.error
    }

    @Test func refusesAFIFOWithoutWaiting() async throws {
        let path = directory.path + "/fifo"
        #expect(mkfifo(path, 0o600) == 0)
        #expect(try await failure(of: path)?.code == .unsafe)
    }

    @Test func refusesADevice() async throws { #expect(try await failure(of: "/dev/zero")?.code == .unsafe) }

    @Test func refusesAHugeSparseFile() async throws {
        let path = try directory.write("huge.json", "{")
        #expect(truncate(path, 1 << 40) == 0)
        #expect(try await failure(of: path)?.code == .damaged)
    }

    @Test(arguments: ["", "\u{0}", "{", "[]", "null", String(repeating: "[", count: 100_000), "not json"])
    func refusesWhatIsNoTokenFile(_ text: String) async throws {
        let error = try await failure(of: try directory.write("x.json", text))
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("\n") == false)
    }

    /// Noticing duplicates in an object must not cost the square of its members.
    @Test func looksAtManyMembersInLittleTime() async throws {
        let members = (0..<90_000).map { "\"key\($0)\":{}" }.joined(separator: ",")
        let path = try directory.write("x.json", "{\(members)}")
        let duration = try await ContinuousClock().measure { _ = try await failure(of: path) }
        #expect(duration < .seconds(30))
    }

    @Test func refusesALoggedOutFile() async throws {
        #expect(try await failure(of: try directory.write("auth.json", "{\"OPENAI_API_KEY\":null}"))?.code == .notFound)
    }

    @Test(arguments: ["", "/no/such/file", "relative-and-absent.json"])
    func refusesAbsentPaths(_ path: String) async throws {
        let code = try await failure(of: path)?.code
        #expect(code == (path.isEmpty ? .usage : .notFound))
    }

    @Test func followsANamedLinkAndRemovesNothingThroughIt() async throws {
        let file = try directory.copy("codex/auth.json", to: "real/auth.json")
        let link = directory.path + "/link.json"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        var options = ImportOptions()
        options.remove = true
        let plan = try await ImportPlan.make([link], options: options, for: vault, now: testNow)
        #expect(plan.items.first?.path == file)
        #expect(plan.items.first?.willBeHeld == true)
        #expect(plan.items.first?.notes.contains { $0.contains("symbolic link") } == true)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(directory.exists(file))
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
    }

    @Test func refusesADanglingLink() async throws {
        let link = directory.path + "/dangling"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: directory.path + "/nowhere")
        #expect(try await failure(of: link)?.code == .notFound)
    }

    @Test func removesNothingFromAFileWithTwoNames() async throws {
        let file = try directory.copy("codex/auth.json", to: "auth.json")
        try FileManager.default.linkItem(atPath: file, toPath: directory.path + "/other.json")
        var options = ImportOptions()
        options.remove = true
        let plan = try await ImportPlan.make([file], options: options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == .partial)
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(directory.exists(file))
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
    }

    @Test func keepsAFileThatBecameALink() async throws {
        let file = try directory.copy("codex/auth.json", to: "auth.json")
        let reading = try FileReading.of(file, options: ImportOptions(), now: testNow)
        let other = try directory.copy("codex/auth.json", to: "other.json")
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: other)
        let error = #expect(throws: VaultError.self) {
            try TokenRemoval(reading: reading, machine: .current).remove(["/tokens"])
        }
        #expect(error?.code == .unsafe)
        #expect(directory.exists(other))
    }

    @Test func keepsAFileThatItsOwnerRewrote() throws {
        let file = try directory.copy("codex/auth.json", to: "auth.json")
        let reading = try FileReading.of(file, options: ImportOptions(), now: testNow)
        try directory.write("auth.json", try directory.text(file).replacingOccurrences(of: "rt-EX", with: "rt-EY"))
        let error = #expect(throws: VaultError.self) {
            try TokenRemoval(reading: reading, machine: .current).remove(["/tokens"])
        }
        #expect(error?.code == .temporary)
        #expect(try directory.text(file).contains("rt-EY"))
    }
}
