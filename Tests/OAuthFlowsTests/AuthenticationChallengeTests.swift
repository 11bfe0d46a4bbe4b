import OAuthFlows
import Testing
import VaultAPI

/// RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1.
struct AuthenticationChallengeTests {
    private static let metadata = "https://mcp.example/.well-known/oauth-protected-resource"

    @Test(
        arguments: [
            ([#"Basic realm="x", Bearer error_description="need scope=admin", scope="ok""#], ["ok"]),
            ([#"Bearer scope="a b""#], ["a", "b"]), ([#"BEARER SCOPE="a""#], ["a"]),
            ([#"Basic realm="a, Bearer scope=\"no\"", Bearer scope="ok""#], ["ok"]),
            (["Basic realm=x", #"Bearer scope=ok"#], ["ok"]),
            ([#"Bearer realm="\"quoted\"" , scope = "ok""#], ["ok"]), ([#", ,Bearer scope="ok",,"#], ["ok"]),
            ([#"Negotiate, Bearer scope="ok""#], ["ok"]), ([#"Negotiate YWJj==, Bearer scope="ok""#], ["ok"]),
            ([#"DPoP algs="ES256", scope="ok""#], ["ok"]), ([#"Bearer scope="""#], []),
        ] as [([String], [String])]
    )
    func findsTheScope(_ fields: [String], _ scopes: [String]) throws {
        #expect(try ResourceChallenge(fields: fields)?.scopes == scopes)
    }

    @Test(arguments: [
        #"Bearer scope="a", scope="b""#, #"Bearer scope="a", Scope="a""#, #"Bearer error="a", error="b""#,
        #"Bearer resource_metadata="https://a.example", resource_metadata="https://b.example""#,
        #"Bearer scope="a", DPoP scope="b""#,
        #"Bearer scope="a"#, #"Bearer scope=, x=1"#, #"Bearer "a""#,
        #"Bearer scope="a" error="b""#, "Bearer a=\"\u{1}\"",
        #"Bearer scope="a\"b""#, #"Bearer(x)"#, "=", #"Bearer scope="a\"#,
    ])
    func refusesWhatHasTwoReadings(_ field: String) throws {
        let error = try #require(throws: VaultError.self) { try ResourceChallenge(fields: [field]) }
        #expect(error.code == .unsafe)
        #expect(error.message.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    @Test(arguments: [[], [""], ["Basic realm=x"], ["Negotiate"], [#"Basic realm="Bearer scope=x""#]] as [[String]])
    func findsNoneWhereThereIsNone(_ fields: [String]) throws {
        #expect(try ResourceChallenge(fields: fields) == nil)
    }

    @Test func readsErrorAndMetadata() throws {
        let field = #"Bearer error="insufficient_scope", resource_metadata="\#(Self.metadata)""#
        let challenge = try #require(try ResourceChallenge(fields: [field]))
        #expect(challenge.error == "insufficient_scope")
        #expect(challenge.resourceMetadata == Self.metadata)
        #expect(challenge.scopes == nil)
        // Some servers leave the quotes off.
        let bare = try #require(try ResourceChallenge(fields: ["Bearer resource_metadata=\(Self.metadata), scope=a"]))
        #expect(bare.resourceMetadata == Self.metadata)
        #expect(bare.scopes == ["a"])
    }
}
