import Foundation
import Glibc
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// Trees that were made to hurt whoever walks them.
struct HostileTreeTests {
    private let home: TestDirectory
    private let vault = MemoryVault()
    private let token = #"{"access_token": "AT-EXAMPLE", "refresh_token": "RT-EXAMPLE"}"#

    init() throws { home = try TestDirectory() }

    private func scan() async throws -> ImportPlan {
        let options = ImportOptions(machine: Machine(home: home.path, environment: [:]))
        return try await ImportPlan.make([home.path], scanning: true, options: options, for: vault, now: testNow)
    }

    @Test func opensNeitherFIFOsNorSocketsNorGiants() async throws {
        #expect(mkfifo(home.path + "/a.json", 0o600) == 0)
        let unix = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(unix) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array("/tmp/s-\(getpid())-\(UInt32.random(in: 0...(.max)))".utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(unix, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0)
        #expect(rename(String(decoding: path, as: UTF8.self), home.path + "/b.json") == 0)
        for name in ["c.json", "d.db"] {
            let giant = try home.write(name, token)
            #expect(truncate(giant, 1 << 40) == 0)
        }
        try home.write("good.json", token)
        let plan = try await scan()
        #expect(plan.items.map(\.path) == [home.path + "/good.json"])
        #expect(plan.failures.isEmpty)
        #expect(plan.passedOver == 4)
    }

    @Test func goesAsDeepAsATreeGoes() async throws {
        var directory = "deep"
        for _ in 0..<400 { directory += "/d" }
        let file = try home.write(directory + "/t.json", token)
        #expect(try await scan().items.map(\.path) == [file])
    }

    /// Deeper than any path can name: what is below is out of reach, and said to be.
    @Test func endsWherePathsEnd() async throws {
        try home.write("a/t.json", token)
        let part = String(repeating: "d", count: 250)
        let start = open(home.path, O_RDONLY | O_DIRECTORY)
        var descriptors = [start]
        for _ in 0..<20 {
            guard let last = descriptors.last, mkdirat(last, part, 0o700) == 0 else { break }
            descriptors.append(openat(last, part, O_RDONLY | O_DIRECTORY))
        }
        let plan = try await scan()
        #expect(plan.items.count == 1)
        #expect(plan.failures.count == 1)
        for descriptor in descriptors.dropLast().reversed() {
            _ = unlinkat(descriptor, part, AT_REMOVEDIR)
        }
        for descriptor in descriptors { close(descriptor) }
    }

    @Test func takesNamesThatAreNoUTF8ForWhatTheyAre() async throws {
        let directory = open(home.path, O_RDONLY | O_DIRECTORY)
        defer { close(directory) }
        for (bytes, text) in [([0xFF, 0x74], token), ([0xC3, 0x28], "nothing")] {
            let name = (bytes + [0]).map { CChar(bitPattern: UInt8($0)) }
            let file = openat_(directory, name)
            _ = text.withCString { write(file, $0, strlen($0)) }
            close(file)
        }
        #expect(mkdirat(directory, [CChar(bitPattern: 0xFE), 0], 0o700) == 0)
        let plan = try await scan()
        #expect(plan.items.isEmpty)
        #expect(plan.failures.count == 2)
        #expect(plan.failures.allSatisfy { $0.error.code == .unsafe && !$0.line.contains("\u{FFFD}\u{FFFD}\u{FFFD}") })
    }

    private func openat_(_ directory: Int32, _ name: [CChar]) -> Int32 {
        openat(directory, name, O_WRONLY | O_CREAT, 0o600)
    }

    @Test(.enabled(if: geteuid() != 0, "root may read everything"))
    func saysWhatItMayNotRead() async throws {
        try home.write("shut/t.json", token)
        try home.write("locked.json", token, mode: 0)
        chmod(home.path + "/shut", 0)
        defer { chmod(home.path + "/shut", 0o700) }
        let plan = try await scan()
        #expect(plan.failures.map(\.error.code) == [.unavailable, .unavailable])
    }

    @Test func passesOverFilesThatMentionNoToken() async throws {
        try home.write("big.json", "[" + String(repeating: "{\"a\": \"b\"},", count: 300_000) + "{}]")
        try home.write("package.json", #"{"name": "x", "publishConfig": {"access": "public"}}"#)
        try home.write("page.html", "<p>access_token</p>")
        try home.write("schema.json", #"{"properties": {"access_token": {"type": "string"}}}"#)
        let plan = try await scan()
        #expect(plan.items.isEmpty && plan.failures.isEmpty && plan.aside.isEmpty)
        #expect(plan.passedOver == 4)
    }

    /// A word that two reads cut in half is found all the same.
    @Test(arguments: [65_500, 65_530, 65_536, 65_540]) func findsWhatTwoReadsCut(offset: Int) async throws {
        let padding = String(repeating: " ", count: offset)
        try home.write("t.json", "{\(padding)\"access_token\": \"AT-EXAMPLE\"}")
        #expect(try await scan().items.count == 1)
    }

    @Test func namesThousandsOfTheSameNameInLittleTime() async throws {
        for index in 0..<3_000 {
            try home.write(
                "d\(index)/token.json",
                #"{"access_token": "a\#(index)", "refresh_token": "r\#(index % 1500)"}"#
            )
        }
        let (plan, time) = try await timed { try await scan() }
        #expect(plan.items.count { $0.action == .new } == 1_500)
        #expect(Set(plan.items.map(\.name)).count == 1_500)
        #expect(time < .seconds(60))
    }

    private func timed<Result>(_ body: () async throws -> Result) async rethrows -> (Result, Duration) {
        let start = ContinuousClock.now
        let result = try await body()
        return (result, ContinuousClock.now - start)
    }
}
