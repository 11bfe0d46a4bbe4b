import Foundation
import Glibc
import TestSupport
import Testing

extension Sandbox {
    /// Makes a vault that opens with a key file, asking nobody and deriving nothing.
    func make() throws {
        try succeed(vault("init", "--key", "key-file:" + path("key"), "--no-recovery-code"))
    }

    /// Makes a vault that opens with the passphrase `sesame`, and returns the file with it.
    @discardableResult
    func makeWithPassphrase() throws -> String {
        let file = try write("passphrase", "sesame\n")
        try succeed(
            vault(
                "init",
                "--key",
                "passphrase",
                "--kdf",
                "interactive",
                "--no-recovery-code",
                "--passphrase-file",
                file
            )
        )
        return file
    }

    /// Keeps a static secret.
    func keep(_ name: String, _ secret: String) throws {
        try succeed(vault("set", "static:" + name, input: Array(secret.utf8)))
    }

    /// Writes a token file of the generic kind.
    @discardableResult
    func writeToken(
        _ name: String,
        access: String = "AT-EXAMPLE",
        refresh: String? = nil,
        expiry: String = "2099-01-01T00:00:00Z",
        more: String = ""
    ) throws -> String {
        let second = refresh.map { #", "refresh_token": "\#($0)""# } ?? ""
        return try write(
            name,
            #"{"access_token": "\#(access)", "token_type": "Bearer"\#(second), "expiry": "\#(expiry)"\#(more)}"#
        )
    }
}

/// Expects that a command did what it was asked to do.
@discardableResult
func succeed(
    _ outcome: Sandbox.Outcome,
    sourceLocation: SourceLocation = #_sourceLocation
) throws -> Sandbox.Outcome {
    try #require(outcome.status == 0, "\(outcome.notes)", sourceLocation: sourceLocation)
    expectNoControls(outcome.notes, sourceLocation: sourceLocation)
    return outcome
}

/// Expects an exit code, an error and, where it is promised, a hint; and that nothing but text is on the terminal.
@discardableResult
func fail(
    _ outcome: Sandbox.Outcome,
    _ status: Int32,
    _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
) -> Sandbox.Outcome {
    #expect(outcome.status == status, "\(outcome.notes)", sourceLocation: sourceLocation)
    let lines = outcome.notes.split(separator: "\n").map(String.init)
    let errors = lines.filter { $0.hasPrefix("vault: error: ") }
    #expect(errors.count == 1, "\(outcome.notes)", sourceLocation: sourceLocation)
    if [3, 5].contains(status) {
        #expect(lines.last?.hasPrefix("vault: hint: ") == true, "\(outcome.notes)", sourceLocation: sourceLocation)
    }
    for word in words {
        #expect(outcome.notes.contains(word), "\(outcome.notes)", sourceLocation: sourceLocation)
    }
    expectNoControls(outcome.notes, sourceLocation: sourceLocation)
    expectNoControls(outcome.text, sourceLocation: sourceLocation)
    return outcome
}

/// Expects text without anything that a terminal acts upon.
func expectNoControls(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let found = text.unicodeScalars.filter { scalar in
        switch scalar.properties.generalCategory {
        case .control: scalar != "\n"
        case .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
    #expect(found.isEmpty, "\(text.debugDescription)", sourceLocation: sourceLocation)
}

extension [String: Any] {
    /// A member that is text.
    func text(_ name: String) -> String? { self[name] as? String }

    /// A member that is a list of objects.
    func objects(_ name: String) -> [[String: Any]] { self[name] as? [[String: Any]] ?? [] }
}
