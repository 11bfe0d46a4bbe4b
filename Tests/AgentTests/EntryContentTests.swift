import AgentClient
import Testing
import VaultAPI

/// What an agent tells of an entry is what the entry says.
struct EntryContentTests {
    /// A field that is new and is not carried fails here, and so does one that the sample leaves as it is by default.
    @Test func everyFieldIsCarried() throws {
        let sample = try sample()
        let plain = EntrySummary(name: try EntryName(parsing: "static:plain"), createdAt: .epoch)
        let line = sample.content.line()
        let read = try #require(EntrySummary(try WireMessage(line).root))
        let fields = zip(Mirror(reflecting: sample).children, Mirror(reflecting: read).children)
        for ((before, after), unset) in zip(fields, Mirror(reflecting: plain).children) {
            let name = before.label ?? ""
            // What concerns the sealed entry alone means nothing to who does not write it.
            if ["unknownFields", "sealedState", "refresher"].contains(name) { continue }
            #expect("\(before.value)" != "\(unset.value)", "the sample does not set \(name)")
            if name == "journal" { continue }
            #expect("\(before.value)" == "\(after.value)", "\(name) is not carried")
        }
        #expect(read.journal?.startedAt == sample.journal?.startedAt)
        #expect(read.journal?.spent == [UInt8](repeating: 0, count: 32), "more is told of the journal than its start")
    }

    @Test(arguments: [
        EntryState.active, .suspect, .held(.secondOwner), .held(.restored), .held(.rolledBack),
        .held(.otherMachine), .held(.conflict),
        .reauthorizationRequired("rotationResponseLost"),
    ])
    func everyStateIsCarried(state: EntryState) throws {
        var sample = try sample()
        sample.state = state
        #expect(EntrySummary(try WireMessage(sample.content.line()).root)?.state == state)
    }

    @Test func everyExpiryAndFailureIsCarried() throws {
        for expiry in [Expiry.unknown, .never, .known(.epoch)] {
            var sample = try sample()
            sample.expiry = expiry
            #expect(EntrySummary(try WireMessage(sample.content.line()).root)?.expiry == expiry)
        }
        for kind in RefreshFailure.Kind.allCases {
            var sample = try sample()
            sample.refreshFailure?.kind = kind
            #expect(EntrySummary(try WireMessage(sample.content.line()).root)?.refreshFailure?.kind == kind)
        }
    }

    private func sample() throws -> EntrySummary {
        var entry = EntrySummary(name: try EntryName(parsing: "work"), createdAt: try time(1))
        entry.generation = 7
        entry.state = .reauthorizationRequired("rotationResponseLost")
        entry.provider = "provider\u{1}\"\\é\n"
        entry.issuer = "https://as.example"
        entry.account = "someone@example.com"
        entry.scopes = ["read", "write"]
        entry.tokenType = "DPoP"
        entry.expiry = .known(try time(2))
        entry.issuedAt = try time(3)
        entry.updatedAt = try time(4)
        entry.authorizationEndpoint = "https://as.example/authorize"
        entry.tokenEndpoint = "https://as.example/token"
        entry.revocationEndpoint = "https://as.example/revoke"
        entry.clientID = "client"
        entry.clientAuthentication = "none"
        entry.resource = "https://resource.example/"
        entry.rotation = .always
        entry.grantType = "client_credentials"
        entry.quirks = ["json-body"]
        entry.hosts = ["resource.example"]
        entry.loginOptions = ["--device"]
        entry.registeredRedirect = "http://127.0.0.1/callback"
        entry.registeredScopes = ["read"]
        entry.clientSecretExpiresAt = try time(5)
        entry.endpointReach = "loopback"
        entry.authorizations = 3
        entry.confirmsUse = true
        entry.programs = ["/usr/bin/git"]
        entry.journal = RefreshJournal(
            spent: [UInt8](repeating: 9, count: 32),
            startedAt: try time(6),
            sendBefore: 8,
            boot: [UInt8](repeating: 1, count: 16),
            lostAnswers: 2
        )
        entry.refreshedAt = try time(7)
        entry.refreshFailure = RefreshFailure(
            at: try time(8),
            retryAt: try time(9),
            count: 2,
            unclear: 1,
            kind: .unclear,
            reason: "a reason"
        )
        entry.source = EntrySource(
            path: "/home/someone/tokens.json",
            sha256: (0..<32).map { $0 },
            pointer: "/servers/0",
            format: "mcp"
        )
        entry.holds = [.dpopKey]
        entry.metadata = ["a": "b"]
        return entry
    }

    private func time(_ day: Int64) throws -> Timestamp {
        try #require(Timestamp(seconds: 1_700_000_000 + day * 86_400))
    }
}

extension Timestamp {
    /// 1970.
    fileprivate static var epoch: Timestamp { Timestamp(seconds: 0) ?? .systemNow }
}
