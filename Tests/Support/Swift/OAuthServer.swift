import Foundation

/// The authorization server of `Tests/Support/oauth`: it detects a reused refresh token and says what it was asked.
///
/// It ends with this object.
package final class OAuthServer {
    /// `http://127.0.0.1:PORT`.
    package let base: String
    private let program: Program

    /// The Python with the servers' packages; made by the first who asks, where the set-up has not done so.
    package static let python: String = {
        guard let outcome = try? Program.run([Sandbox.supportFile("oauth/environment")]), outcome.status == 0 else {
            preconditionFailure("Tests/Support/oauth/environment made no Python for the servers")
        }
        let directory = String(decoding: outcome.output, as: UTF8.self).trimmingCharacters(in: .newlines)
        return "\(directory)/bin/python"
    }()

    package init() throws {
        let script = Sandbox.supportFile("oauth/authorization_server.py")
        program = try Program([Self.python, script], environment: ["PATH": "/usr/bin:/bin"])
        let line = program.read { $0.contains(10) }
        let announced = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any]
        guard let base = announced?["base"] as? String else { throw Broken(what: "the server says nothing of itself") }
        self.base = base
    }
}
