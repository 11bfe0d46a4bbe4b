import Foundation
import TestSupport
import Testing
import VaultAPI

/// A directory of its own, removed with the test.
final class Scratch {
    let root: String

    init() throws {
        root = FileManager.default.temporaryDirectory.appending(path: "providers-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    @discardableResult
    func directory(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        try setMode(0o700, name)
        return path(name)
    }

    @discardableResult
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        try Data(text.utf8).write(to: URL(filePath: path(name)))
        try setMode(mode, name)
        return path(name)
    }

    func setMode(_ mode: Int, _ name: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
    }

    /// What the schemas say against documents: arrays of label, schema file and document.
    func complaints(_ documents: [[Any]]) throws -> [String] { try SchemaCheck.complaints(documents) }
}

/// Expects a failure of that class whose message holds a text.
func expect(
    _ code: VaultError.Code,
    naming text: String = "",
    at location: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: location)
    } catch let error as VaultError {
        #expect(error.code == code, "\(error)", sourceLocation: location)
        #expect(text.isEmpty || error.message.contains(text), "\(error)", sourceLocation: location)
    } catch {
        Issue.record(error, sourceLocation: location)
    }
}
