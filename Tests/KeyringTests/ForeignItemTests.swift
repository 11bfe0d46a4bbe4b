import Foundation
import KeyCustody
import KeyringProtocol
import TestSupport
import Testing
import VaultCrypto

/// Items of other programs, stored as those programs do it, in a real gnome-keyring.
@Suite(.blocking, .serialized)
struct ForeignItemTests {
    @Test func findsAnItemByServiceAndAccount() async throws {
        let bus = try PrivateBus()
        // As Rust's keyring does: an attribute more than is asked for.
        try bus.keep("{\"a\":1}\n", ["service", "goose", "username", "secrets", "target", "default"])
        try bus.keep("other", ["service", "goose", "username", "else"])
        let found = try await bus.client().foreignItems(of: "goose", account: "secrets")
        #expect(found.map(\.account) == ["secrets"])
        #expect(found.map { Sample.bytes($0.value) } == [Array("{\"a\":1}\n".utf8)])
    }

    @Test func findsAllAccountsOfAService() async throws {
        let bus = try PrivateBus()
        // As Go's go-keyring does.
        try bus.keep("gho_EXAMPLE", ["service", "gh:github.com", "username", ""])
        try bus.keep("gho_EXAMPLE", ["service", "gh:github.com", "username", "ada"])
        try bus.keep("gho_EXAMPLE", ["service", "gh:ghe.example.com", "username", "ada"])
        let found = try await bus.client().foreignItems(of: "gh:github.com", account: nil)
        #expect(found.map(\.account).sorted() == ["", "ada"])
    }

    @Test func looksAtNoServiceBesideThoseOnItsList() async throws {
        let bus = try PrivateBus()
        try bus.keep("hunter2", ["service", "bank", "username", "ada"])
        try bus.keep("hunter2", ["service", "goose", "username", "ada"])
        for (service, account) in [("bank", "ada"), ("goose", "ada"), ("goose", nil), ("gh:", nil), ("gh:a/b", nil)] {
            let error = await #expect(throws: KeyringError.self) {
                try await bus.client().foreignItems(of: service, account: account)
            }
            #expect(error?.code == .refused, "\(service)")
        }
    }

    @Test func saysAbsentAndLocked() async throws {
        let bus = try PrivateBus()
        let client = bus.client()
        let absent = await #expect(throws: KeyringError.self) {
            try await client.foreignItems(of: "moat", account: "encryption-key")
        }
        #expect(absent?.code == .absent)
        try bus.keep("key", ["service", "moat", "username", "encryption-key"])
        #expect(try await client.foreignItems(of: "moat", account: "encryption-key").count == 1)
        try bus.run([PrivateBus.supportFile("real-keyring"), "lock"])
        for service in ["moat", "Codex Auth"] {
            let account = service == "moat" ? "encryption-key" : "cli|0123456789abcdef"
            let locked = await #expect(throws: KeyringError.self) {
                try await client.foreignItems(of: service, account: account)
            }
            #expect(locked?.code == .locked)
        }
    }

    @Test func handsOverLongValuesButNoEndlessOnes() async throws {
        let bus = try PrivateBus()
        for (account, count) in [("one", 30_000), ("two", 40_000), ("three", 30_000)] {
            let value = String(repeating: "a", count: count)
            try bus.run([PrivateBus.supportFile("keep.py"), "databricks-cli", account, value])
        }
        let found = try await bus.client().foreignItems(of: "databricks-cli", account: nil)
        // Two of the three fit neither alone nor together.
        #expect(found.count == 1 && found[0].value.count == 30_000)
    }

    @Test func saysUnavailableWhereThereIsNoKeyring() async throws {
        let bus = try PrivateBus(.nobody)
        let error = await #expect(throws: KeyringError.self) {
            try await bus.client().foreignItems(of: "goose", account: "secrets")
        }
        #expect(error?.code == .unavailable)
    }

    @Test func readsEveryPrefixOfAQueryAsMalformed() throws {
        for query in [ForeignQuery(service: "goose", account: "secrets"), ForeignQuery(service: "gh:x", account: nil)] {
            let encoded = query.encoded
            #expect(try encoded.withUnsafeBytes { try ForeignQuery.parse($0) } == query)
            for count in 0..<encoded.count {
                #expect(throws: KeyringWire.Malformed.self) {
                    try encoded[..<count].withUnsafeBytes { try ForeignQuery.parse($0) }
                }
            }
            #expect(throws: KeyringWire.Malformed.self) {
                try (encoded + [0]).withUnsafeBytes { try ForeignQuery.parse($0) }
            }
        }
    }
}

extension PrivateBus {
    /// Keeps a value as another program does; the value goes through a pipe as `secret-tool` wants it.
    fileprivate func keep(_ value: String, _ attributes: [String]) throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "keep-\(UUID().uuidString)")
        try Data(value.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try run(["sh", "-c", "secret-tool store --label x \"$@\" < \"$0\"", file.path()] + attributes)
    }
}
