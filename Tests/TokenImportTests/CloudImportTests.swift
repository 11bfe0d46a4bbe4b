import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// Files of cloud and developer tools on their way into a vault and out of the file.
struct CloudImportTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private func plan(_ file: String, remove: Bool = false) async throws -> ImportPlan {
        var options = ImportOptions(machine: Machine(home: directory.path, environment: [:]))
        options.remove = remove
        return try await ImportPlan.make([file], options: options, for: vault, now: testNow)
    }

    @Test(arguments: CloudFormatTests.samples + cloudVariants)
    func importsHoldsAndTakesOver(_ sample: CloudCase) async throws {
        let file = try directory.write(sample.path, sample.text)
        let first = try await plan(file).execute(into: vault, now: testNow)
        #expect(first.code == nil, "\(first.lines)")
        #expect(first.outcomes.map(\.result) == sample.lines.map { _ in .imported })
        #expect(try directory.text(file) == sample.text)
        #expect(Set(vault.names).count == sample.lines.count)
        let held = sample.lines.filter { $0.contains(" held ") }.count
        let states = try vault.names.map { try #require(vault.summary($0)?.state) }
        #expect(states.filter { $0 == .held(.secondOwner) }.count == held)

        let again = try await plan(file)
        #expect(again.items.map(\.action) == sample.lines.map { _ in .unchanged })
        #expect(!again.changesAnything)

        let taken = try await plan(file, remove: true).execute(into: vault, now: testNow)
        #expect(taken.code == nil, "\(taken.lines)")
        #expect(vault.names.allSatisfy { vault.summary($0)?.state == .active })
        #expect(taken.outcomes.allSatisfy { $0.removal == .deleted } == !directory.exists(file))
        if directory.exists(file) { #expect(isCut(try directory.text(file), outOf: sample.text)) }
    }

    /// What is left where its last grant goes: nothing, or what is no grant of the tool's.
    @Test(arguments: [
        ("msal", nil), ("databricks-cli", nil), ("aws-sso", nil), ("go", nil), ("kubelogin", nil), ("mutt", nil),
        ("terraform", nil), ("google-adc", nil), ("dbxcli", nil), ("google-auth", nil),
        (
            "netlify",
            """
            {
              "telemetryDisabled": false,
              "cliId": "00000000-0000-0000-0000-000000000000",
              "userId": "user-EXAMPLE",
              "users": {
                "user-EXAMPLE": {
                  "id": "user-EXAMPLE",
                  "name": "Example User",
                  "email": "user@example.com",
                  "auth": {}
                }
              }
            }
            """
        ),
    ])
    func leavesWhatItsOwnerReadsAsLoggedOut(_ format: String, _ left: String?) async throws {
        let sample = try #require(CloudFormatTests.samples.first { $0.format == format })
        let file = try directory.write(sample.path, sample.text)
        let report = try await plan(file, remove: true).execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        #expect(directory.exists(file) == (left != nil))
        if let left {
            let found = try directory.text(file)
            #expect(found == left, "\(found)")
        }
    }
}
