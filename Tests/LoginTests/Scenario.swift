import Foundation
import TestSupport
import Testing

/// Runs a script of `Tests/Support/oauth/logins` with the `vault` that was built.
///
/// The servers, the browser and the clients that forge are Python, as in `Tests/Support/oauth`; so is what looks at them.
/// A script says what it saw, a line each, and ends with a status other than 0 where one of it should not be; with 77
/// where this machine does not allow what it needs.
enum Scenario {
    static func run(_ script: String, _ names: String...) throws {
        let program = Sandbox.program
        let home = try Sandbox()
        // Certificates, proxies and browsers of whoever runs the tests are none of the scripts' business.
        var variables = ["LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"]
        for name in ["CHROMIUM", "CHROMEDRIVER", "VAULT_LOGIN_PAGES"] {
            variables[name] = ProcessInfo.processInfo.environment[name]
        }
        // Where tools of others are that a home's own PATH may not lead to.
        variables["TOOLS_PATH"] = ProcessInfo.processInfo.environment["PATH"]
        let directory = URL(filePath: program).deletingLastPathComponent().path()
        let outcome = try home.run(
            [OAuthServer.python, Sandbox.supportFile("oauth/logins/\(script).py"), "--programs", directory] + names,
            environment: variables,
            // Some run `vault` two hundred times.
            within: 600
        )
        let lines = outcome.text.split(separator: "\n")
        if outcome.status == 77 {
            print(lines.last ?? "skipped: \(script)")
            return
        }
        for line in lines where line.contains(".png") { print(line) }
        let seen = lines.filter { !$0.hasPrefix("ok ") }.joined(separator: "\n")
        #expect(outcome.status == 0, "\(script): \(seen)\n\(outcome.notes)")
        #expect(lines.contains { $0.hasPrefix("ok ") }, "\(script) tried nothing: \(seen)")
    }
}
