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
        let environment = ProcessInfo.processInfo.environment.filter { variable in
            // How to find Python, and how its installer finds packages.
            ["PATH", "PYTHON", "SSL_CERT_FILE"].contains(variable.key) || variable.key.hasPrefix("PIP_")
                || variable.key.lowercased().hasSuffix("_proxy")
        }
        guard let program = try? Program([Sandbox.supportFile("oauth/environment")], environment: environment) else {
            preconditionFailure("no shell for Tests/Support/oauth/environment")
        }
        program.closeInput()
        let directory = String(decoding: program.read(), as: UTF8.self).trimmingCharacters(in: .newlines)
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
