import FoundationEssentials
import Glibc
import VaultAPI
import KeyCustody
import Testing
import VaultCrypto

struct KeyFileTests {
    private static func slot(_ path: String) -> KeySlot {
        KeySlot(
            description: SlotDescription(newOf: .keyFile, derivation: cheap),
            commitment: [],
            wrapped: [],
            createdAt: 0,
            path: path
        )
    }

    private static let line = Array("vault-key-file-1 ".utf8) + Array(hex((0..<32).map { $0 }).utf8) + [10]

    @Test func makesAPrivateFileOfOneLine() async throws {
        let place = try TemporaryDirectory()
        let path = place("key")
        let root = try await KeyFileCustodian(path: path).enroll(Self.slot(path).description, vault: vault)
        let text = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        #expect(text == "vault-key-file-1 \(hex(root.revealed))\n")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let names = try FileManager.default.contentsOfDirectory(atPath: place.path)
        #expect(names == ["key"])
    }

    @Test func readsTheFileThatASlotNames() async throws {
        let place = try TemporaryDirectory()
        try write(Self.line, to: place("key"))
        let roots = try await KeyFileCustodian().roots(for: Self.slot(place("key")), vault: vault)
        #expect(roots.map(\.revealed) == [(0..<32).map { $0 }])
        // One that was moved is named beside the slot.
        let moved = try await KeyFileCustodian(path: place("key")).roots(for: Self.slot("/nowhere"), vault: vault)
        #expect(moved.map(\.revealed) == roots.map(\.revealed))
    }

    /// What a key file might be taken for.
    private static let foreign: [(String, [UInt8])] = [
        ("nothing", []), ("32 raw bytes", [UInt8](repeating: 0x41, count: 32)),
        ("64 digits alone", Array(hex((0..<32).map { $0 }).utf8)),
        ("no newline", Array(line.dropLast())), ("two newlines", line + [10]), ("a byte more", line + [32]),
        ("CRLF", Array(line.dropLast()) + [13, 10]), ("a space for the newline", Array(line.dropLast()) + [32]),
        ("another version", Array("vault-key-file-2 ".utf8) + Array(line.dropFirst(17))),
        ("another prefix", Array("Vault-key-file-1 ".utf8) + Array(line.dropFirst(17))),
        ("upper case", Array(String(decoding: line, as: UTF8.self).uppercased().utf8)),
        ("upper-case digits", line.prefix(17) + Array(hex((0..<32).map { $0 }).uppercased().utf8) + [10]),
        ("a digit short", line.prefix(80) + [10]),
        ("no hexadecimal digit", line.prefix(40) + Array("g".utf8) + line.dropFirst(41)),
        ("a NUL", line.prefix(40) + [0] + line.dropFirst(41)),
        ("a picture", [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10] + [UInt8](repeating: 3, count: 5000)),
        ("the line behind a BOM", [0xEF, 0xBB, 0xBF] + line),
    ]

    @Test(arguments: foreign.map(\.0))
    func refusesEveryOtherFile(_ what: String) async throws {
        let place = try TemporaryDirectory()
        let bytes = try #require(Self.foreign.first { $0.0 == what }?.1)
        try write(bytes, to: place("key"))
        let error = await #expect(throws: CustodyError.self) {
            try await KeyFileCustodian().roots(for: Self.slot(place("key")), vault: vault)
        }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains(place("key")) == true)
        #expect([UInt8](try Data(contentsOf: URL(filePath: place("key")))) == bytes)
    }

    @Test(arguments: [0o644, 0o640, 0o604, 0o660, 0o622, 0o700 | 0o001] as [UInt32])
    func refusesAFileThatOthersReach(_ mode: UInt32) async throws {
        let place = try TemporaryDirectory()
        try write(Self.line, to: place("key"), mode: mode)
        #expect(await Self.failure(place("key")) == .unsafe)
    }

    @Test func refusesLinksFIFOsAndDirectories() async throws {
        let place = try TemporaryDirectory()
        try write(Self.line, to: place("key"))
        #expect(symlink(place("key"), place("symbolic")) == 0)
        #expect(await Self.failure(place("symbolic")) == .unsafe)
        #expect(link(place("key"), place("hard")) == 0)
        #expect(await Self.failure(place("key")) == .unsafe)
        #expect(await Self.failure(place("hard")) == .unsafe)
        #expect(mkfifo(place("fifo"), 0o600) == 0)
        #expect(await Self.failure(place("fifo")) == .unsafe)
        #expect(mkdir(place("directory"), 0o700) == 0)
        #expect(await Self.failure(place("directory")) == .unsafe)
    }

    @Test func saysAbsentOfAFileThatIsGone() async throws {
        let place = try TemporaryDirectory()
        #expect(await Self.failure(place("key")) == .absent)
        #expect(await Self.failure(place("no/such/directory")) == .absent)
    }

    @Test func overwritesNoFile() async throws {
        let place = try TemporaryDirectory()
        try write([1, 2, 3], to: place("key"))
        let description = Self.slot("").description
        #expect(
            await custodyFailure {
                _ = try await KeyFileCustodian(path: place("key")).enroll(description, vault: vault)
            } == .unsafe
        )
        #expect([UInt8](try Data(contentsOf: URL(filePath: place("key")))) == [1, 2, 3])
        #expect(
            await custodyFailure { _ = try await KeyFileCustodian().enroll(description, vault: vault) } == .malformed
        )
    }

    @Test func aSuccessorOpensItsOwnSlotBeforeItIsInPlace() async throws {
        let place = try TemporaryDirectory()
        let (path, old) = (place("key"), Self.slot(place("key")))
        let new = Self.slot(path)
        let custodian = KeyFileCustodian()
        let first = try await KeyFileCustodian(path: path).enroll(old.description, vault: vault)
        try write([1], to: path + ".new")
        let second = try custodian.enrollSuccessor(new.description, of: old)
        #expect(try await custodian.roots(for: old, vault: vault).map(\.revealed) == [first.revealed])
        #expect(try await custodian.roots(for: new, vault: vault).map(\.revealed) == [second.revealed])
        // The old file is lost before the new one is in place.
        #expect(unlink(path) == 0)
        #expect(try await custodian.roots(for: new, vault: vault).map(\.revealed) == [second.revealed])
        try custodian.publish(new.description, successorOf: old)
        #expect(try await custodian.roots(for: new, vault: vault).map(\.revealed) == [second.revealed])
        // What lay beside it belongs to somebody else.
        #expect(try Set(FileManager.default.contentsOfDirectory(atPath: place.path)) == ["key", "key.new"])
    }

    @Test func aSuccessorThatNoHeaderNamesIsTakenAway() async throws {
        let place = try TemporaryDirectory()
        let (path, old) = (place("key"), Self.slot(place("key")))
        let new = Self.slot(path)
        let first = try await KeyFileCustodian(path: path).enroll(old.description, vault: vault)
        _ = try KeyFileCustodian().enrollSuccessor(new.description, of: old)
        KeyFileCustodian().discard(new.description, successorOf: old)
        #expect(try FileManager.default.contentsOfDirectory(atPath: place.path) == ["key"])
        #expect(try await KeyFileCustodian().roots(for: old, vault: vault).map(\.revealed) == [first.revealed])
    }

    private static func failure(_ path: String) async -> CustodyError.Code? {
        await custodyFailure { _ = try await KeyFileCustodian().roots(for: slot(path), vault: vault) }
    }
}
