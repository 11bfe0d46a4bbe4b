import Foundation
import Glibc
import PrivateFiles
import Testing
import VaultCrypto

@testable import VaultCore

struct ExchangedTokensTests {
    private let directory: TemporaryDirectory
    private let tokens: ExchangedTokens
    private var file: String { directory("state/exchanged") }

    init() throws {
        directory = try TemporaryDirectory()
        tokens = ExchangedTokens(directory: directory("state"))
    }

    private static func token(_ number: Int) -> [UInt8] {
        var hash = Blake2b()
        hash.update(Array("fake token \(number)".utf8))
        return hash.finish()
    }

    /// Each begins the file, as processes do that refresh several entries of a new vault.
    @Test func keepsAllThatAreNotedAtOnce() async throws {
        let tokens = tokens
        for round in 0..<20 {
            try? FileManager.default.removeItem(atPath: file)
            let numbers = round * 8..<round * 8 + 8
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in numbers { group.addTask { try tokens.note(Self.token(number)) } }
                try await group.waitForAll()
            }
            for number in numbers { #expect(try tokens.contains(Self.token(number))) }
        }
    }

    @Test func goesOnBehindAWriteThatWasCutShort() throws {
        try tokens.note(Self.token(1))
        let handle = try #require(FileHandle(forWritingAtPath: file))
        try handle.seekToEnd()
        try handle.write(contentsOf: Self.token(2).prefix(11))
        try tokens.note(Self.token(3))
        for number in 1...3 { #expect(try tokens.contains(Self.token(number)) == (number != 2)) }
    }

    @Test func forgetsTheOlderHalf() throws {
        try PrivateFiles.makeDirectory(directory("state"))
        let known = (0..<8192).flatMap { Self.token($0) }
        try known.withUnsafeBytes { try PrivateFiles.create(file, contents: $0) }
        try tokens.note(Self.token(9000))
        #expect(try tokens.contains(Self.token(9000)) && tokens.contains(Self.token(4096)))
        #expect(try !tokens.contains(Self.token(4095)))
    }

    /// Not "none", which would have a spent token sent again.
    @Test func doesNotTakeAFileThatCannotBeReadForNone() throws {
        #expect(try !tokens.contains(Self.token(1)))
        try tokens.note(Self.token(1))
        chmod(file, 0o640)
        #expect(throws: FileError.self) { try tokens.contains(Self.token(1)) }
        #expect(throws: FileError.self) { try tokens.note(Self.token(2)) }
        chmod(file, 0o600)
        #expect(try tokens.contains(Self.token(1)))
    }
}
