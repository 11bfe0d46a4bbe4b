import TestSupport
import Testing

/// What reaches the helpers that no tool of good will sends.
@Suite(.blocking)
struct HelperInputTests {
    private let home: Sandbox
    private static let token = "sk-CANARY"

    init() throws {
        home = try Sandbox()
        try home.make()
        try home.keep("t", Self.token)
    }

    private func git(_ input: [UInt8], _ operation: String = "get") throws -> Sandbox.Outcome {
        try home.vault("helper", "git", "--name", "static:t", "--host", "h.example.com", operation, input: input)
    }

    private func expectNothing(_ outcome: Sandbox.Outcome, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(!(outcome.text + outcome.notes).contains(Self.token), sourceLocation: sourceLocation)
        expectNoControls(outcome.notes, sourceLocation: sourceLocation)
    }

    @Test func answersGitWhereEverythingIsInOrder() throws {
        for input in [
            "protocol=https\nhost=h.example.com\n\n", "protocol=https\nhost=h.example.com",
            "host=H.EXAMPLE.COM:443\nprotocol=https\n\nhost=evil.example.com\n",
            "protocol=https\nhost=h.example.com\nx=\ny=1=2\n",
            "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=h.example.com\nwwwauth[]=Basic realm=\"\t\u{E9}\"\n",
        ] {
            let outcome = try succeed(git(Array(input.utf8)))
            #expect(outcome.text == "username=oauth2\npassword=\(Self.token)\n")
            #expect(outcome.notes.isEmpty)
        }
    }

    /// CVE-2024-50338, CVE-2024-52006 and what is near them.
    @Test(arguments: [
        "protocol=https\r\nhost=h.example.com\r\n", "protocol=https\nhost=h.example.com\r\n",
        "protocol=https\nhost=h.example.com\rx\n", "protocol=https\nhost=h.example.com\0.evil\n",
        "protocol=https\nhost=h.example.com\npath=a\u{1B}[2J\n",
        "protocol=https\nhost=h.example.com\npath=a\u{2028}b\n",
        "protocol=https\nhost=h.example.com\nusername=a\tb\n", "protocol=https\nhost=h.example.com\nk\u{9B}=v\n",
        "protocol=https\nhost=h.example.com\nhost=h.example.com\n",
        "protocol=https\nprotocol=https\nhost=h.example.com\n",
        "protocol=https\nhost=evil.example.com\nhost=h.example.com\n",
        "protocol=https\nhost=h.example.com\nno equals\n",
        "protocol=https\nhost=h.example.com\n=value\n", "protocol=https\nhost=h.example.com\nwwwauth[]=a\rb\n",
        "protocol=https\nhost=h.example.com\nusername=\u{202E}x\n",
    ])
    func refusesAHostileRequestOfGit(input: String) throws {
        for operation in ["get", "erase"] {
            let outcome = fail(try git(Array(input.utf8), operation), 10, "refused")
            #expect(outcome.output.isEmpty)
            expectNothing(outcome)
        }
    }

    @Test func refusesWhatIsNoTextOrTooLong() throws {
        let start = Array("protocol=https\nhost=h.example.com\n".utf8)
        expectNothing(fail(try git(start + Array("path=".utf8) + [0xFF, 10]), 10))
        expectNothing(fail(try git(start + Array("path=".utf8) + [UInt8](repeating: 97, count: 70_000)), 64, "65536"))
        expectNothing(try git([]))
        expectNothing(try git([10]))
    }

    @Test func givesNoSecretWithALineBreak() throws {
        try home.keep("t", "\(Self.token)\nhost=evil.example.com")
        let outcome = fail(try git(Array("protocol=https\nhost=h.example.com\n".utf8)), 10)
        #expect(outcome.output.isEmpty)
    }

    @Test(arguments: [
        "", "h/x", "h.example.com/", "a@h.example.com", "http://h.example.com", "*", "*.example.com", "h.", "h\u{E9}",
    ])
    func refusesAHostThatIsNone(host: String) throws {
        let input = Array("protocol=https\nhost=h.example.com\n".utf8)
        expectNothing(try home.vault("helper", "git", "--name", "static:t", "--host", host, "get", input: input))
    }

    @Test(arguments: [
        "{", "[]", "null", "{}", #"{"kind": "Other", "apiVersion": "client.authentication.k8s.io/v1"}"#,
        #"{"kind": "ExecCredential"}"#,
        #"{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1alpha1"}"#,
        #"{"kind": "ExecCredential", "apiVersion": "v1\u001b[2J"}"#,
        #"{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}"#,
        #"{"kind": "ExecCredential", "apiVersion": 1}"#, String(repeating: "[", count: 100_000),
        #"{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"cluster": {"server": 1}}}"#,
    ])
    func refusesAQuestionThatIsNotKubectls(question: String) throws {
        let outcome = fail(
            try home.vault(
                "helper",
                "kubectl",
                "static:t",
                "--access-token",
                environment: ["KUBERNETES_EXEC_INFO": question]
            ),
            78,
            "KUBERNETES_EXEC_INFO"
        )
        #expect(outcome.output.isEmpty)
        #expect(outcome.notes.utf8.count < 1000)
    }

    @Test func givesKubectlWhatItAskedFor() throws {
        let object = try succeed(home.vault("helper", "kubectl", "static:t", "--access-token")).object()
        #expect(object["kind"] as? String == "ExecCredential")
        #expect(object["status"] as? [String: String] == ["token": Self.token])
        fail(try home.vault("helper", "kubectl", "static:t"), 4, "id token")
        fail(try home.vault("helper", "aws", "static:t"), 78, "aws_role_arn")
    }
}
