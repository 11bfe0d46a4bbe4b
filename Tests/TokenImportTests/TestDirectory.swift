import Foundation
import PrivateFiles
import Testing

@testable import TokenImport

/// A directory of its own for one test, gone with the test.
final class TestDirectory {
    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.path
        path = "\(base)/import-\(UUID().uuidString)"
        try PrivateFiles.makeDirectory(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and the directories above it.
    @discardableResult
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        let above = (file as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: above, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }

    /// Copies a fixture to the same relative place, or to another.
    @discardableResult
    func copy(_ fixture: String, to name: String? = nil) throws -> String {
        try write(name ?? fixture, try Fixture.text(fixture))
    }

    func text(_ file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8) }

    func exists(_ file: String) -> Bool { FileManager.default.fileExists(atPath: file) }
}

/// The sample files.
enum Fixture {
    static func text(_ name: String) throws -> String {
        let root = try #require(Bundle.module.resourceURL)
        return try String(contentsOf: root.appendingPathComponent("Fixtures/\(name)"), encoding: .utf8)
    }
}
