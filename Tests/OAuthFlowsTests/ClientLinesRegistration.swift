import Foundation
import TestSupport
import Testing
import VaultAPI

@testable import OAuthFlows

/// Lines 11 to 14, "Registration"; the order of clients that the command knows is shown in `LoginTests`.
extension ClientLineTests {
    private static let registered = FlowScript.Step.answer(201, #"{"client_id":"new-1"}"#)

    // MARK: - 11

    /// What the flow does with the client that it is given: one that is there is used, and only where none is, one is
    /// registered.
    @Test(arguments: [
        ("given-1", false, 0, "given-1"), ("given-1", true, 0, "given-1"), ("", true, 1, "new-1"),
    ])
    func line11_aClientIsRegisteredOnlyWhereNoneIsGiven(
        _ id: String,
        _ canRegister: Bool,
        _ count: Int,
        _ used: String
    ) async throws {
        var visit = Visit(client: id.isEmpty ? .unregistered : OAuthClient(id: id, authentication: .none))
        visit.registersClient = canRegister
        let steps: [FlowScript.Step] = count == 1 ? [Self.registered] : []
        let outcome = try await visit.go(steps + [.answer(200, grantJSON)])
        #expect(outcome.error == nil)
        #expect(outcome.requests("register").count == count)
        #expect(outcome.seen?.parameters["client_id"] == used)
        #expect(outcome.requests("token").map { $0.form("client_id") } == [used])
        #expect(try outcome.result.get().registered?.client.id == (count == 1 ? "new-1" : nil))
    }

    // MARK: - 12

    private static let redirect = "http://127.0.0.1/callback"
    private static let documents: [(String, String, Bool)] = [
        ("https://client.example/vault.json", "https://client.example/vault.json", true),
        ("https://client.example/a/b?c=d", "https://client.example/a/b?c=d", true),
        ("https://client.example/vault.json", "https://client.example/vault.json/", false),
        ("https://client.example/vault.json", "https://CLIENT.example/vault.json", false),
        ("https://client.example/vault.json", "https://client.example:443/vault.json", false),
        ("https://client.example/vault.json", "https://client.example/%76ault.json", false),
        ("https://client.example/vault.json", "https://other.example/vault.json", false),
        ("https://client.example/vault.json", "", false),
        ("https://client.example", "https://client.example", false),
        ("https://client.example/", "https://client.example/", false),
        ("http://localhost/vault.json", "http://localhost/vault.json", false),
        ("https://client.example/a/../b", "https://client.example/a/../b", false),
        ("https://client.example/%2e/b", "https://client.example/%2e/b", false),
        ("https://u@client.example/b", "https://u@client.example/b", false),
        ("https://client.example/b#c", "https://client.example/b#c", false),
    ]

    @Test(arguments: documents)
    func line12_aMetadataDocumentIsAtItsOwnURL(_ place: String, _ id: String, _ isTaken: Bool) async throws {
        let http = ScriptedExchange(200, #"{"client_id":"\#(id)","redirect_uris":["\#(Self.redirect)"]}"#)
        do {
            let document = try await ClientMetadataDocument.fetch(place, http: http)
            #expect(isTaken, "was not refused")
            #expect(document.url.text == place)
            #expect(document.redirect == LoopbackRedirect())
        } catch {
            #expect(!isTaken, "\(error.message)")
            #expect(error.code == .unsafe)
        }
    }

    // MARK: - 13

    @Test(arguments: [200, 201])
    func line13_registersANativeClientThatRefreshes(_ status: Int) async throws {
        var visit = Visit(client: .unregistered, registersClient: true)
        visit.options.scopes = ["a"]
        let outcome = try await visit.go([.answer(status, #"{"client_id":"new-1"}"#), .answer(200, grantJSON)])
        let seen = try #require(outcome.seen)
        let sent = try #require(outcome.requests("register").first)
        let members = try #require(try JSONSerialization.jsonObject(with: Data(sent.body.utf8)) as? [String: Any])
        #expect(members["application_type"] as? String == "native")
        // The real one: that of the listener which is open by then, and of the authorization request.
        #expect(members["redirect_uris"] as? [String] == [seen.redirect])
        #expect(members["grant_types"] as? [String] == ["authorization_code", "refresh_token"])
        #expect(members["response_types"] as? [String] == ["code"])
        #expect(members["token_endpoint_auth_method"] as? String == "none")
        #expect(seen.redirect == "http://127.0.0.1:\(seen.port)/callback")
        // Kept with the entry: what it takes not to register again.
        let kept = try #require(try outcome.result.get().registered)
        #expect(kept.redirect == seen.redirect)
        #expect(kept.client.id == "new-1")
    }

    private static let judged: [(String, VaultError.Code?)] = [
        (#"{"client_id":"new-1","redirect_uris":["REDIRECT"]}"#, nil),
        (#"{"client_id":"new-1","redirect_uris":["http://127.0.0.1:1/callback"]}"#, .unsafe),
        (#"{"client_id":"new-1","redirect_uris":[]}"#, .unsafe),
        (#"{"client_id":"new-1","redirect_uris":["https://evil.example/"]}"#, .unsafe),
        (#"{"client_id":"new-1","token_endpoint_auth_method":"private_key_jwt"}"#, .configuration),
        (#"{"client_id":"new-1","token_endpoint_auth_method":"client_secret_basic"}"#, .configuration),
        (#"{"client_id":"new-1","grant_types":["client_credentials"]}"#, .configuration),
        (
            #"{"client_id":"new-1","client_secret":"s","token_endpoint_auth_method":"client_secret_post","#
                + #""client_secret_expires_at":1}"#, .configuration
        ),
        ("{}", .temporary), ("[]", .temporary), ("<html>", .temporary),
    ]

    @Test(arguments: judged)
    func line13_aSubstitutionIsJudgedBeforeTheBrowserOpens(_ answer: String, _ code: VaultError.Code?) async throws {
        var visit = Visit(client: .unregistered)
        // A port that is known beforehand, so that an answer can repeat the redirect.
        let port = try HeldPort().port
        visit.options.redirect.port = port
        visit.registersClient = true
        let text = answer.replacing("REDIRECT", with: visit.options.redirect.uri(port: port))
        let outcome = try await visit.go([.answer(201, text), .answer(200, grantJSON)])
        #expect(outcome.error?.code == code)
        #expect((outcome.seen != nil) == (code == nil))
        #expect(outcome.requests("token").count == (code == nil ? 1 : 0))
    }

    @Test(
        arguments: [
            ("0", nil), ("4102444800", 4_102_444_800), (#""4102444800""#, 4_102_444_800),
            ("4102444800.0", 4_102_444_800),
            ("1e400", nil), ("99999999999999999999", nil), ("null", nil),
        ] as [(String, Int64?)]
    )
    func line13_keepsWhenTheSecretEnds(_ member: String, _ end: Int64?) async throws {
        let http = ScriptedExchange(
            201,
            #"{"client_id":"i","client_secret":"s","token_endpoint_auth_method":"client_secret_basic","#
                + #""client_secret_expires_at":\#(member)}"#
        )
        let registered = try await Self.registration(http, authentication: .basic)
            .register(redirect: "http://127.0.0.1:1/callback")
        #expect(registered.secretExpiresAt?.seconds == end)
    }

    // MARK: - 14

    /// The server that gave the old grant is taken again only where the resource still names it.
    @Test(arguments: [
        (["https://new.example", "https://old.example"], "https://old.example", "https://old.example"),
        (["https://new.example"], "https://old.example", "https://new.example"),
        (["https://new.example", "https://old.example/"], "https://old.example", "https://new.example"),
        (["https://new.example", "https://OLD.example"], "https://old.example", "https://new.example"),
    ])
    func line14_theServerIsOneThatTheResourceNamesNow(
        _ named: [String],
        _ old: String,
        _ expected: String
    ) async throws {
        var pages = Sample.pages([Sample.resourcePlace: .json(Sample.resourceMetadata(servers: named))])
        for issuer in named {
            pages[try ServerMetadata.places(of: issuer)[0].text] = .json(Sample.serverMetadata(issuer))
        }
        let http = Places(pages)
        let report = try await ResourceDiscovery(http: http, preferredIssuer: old).report(on: Sample.resource)
        #expect(report.server?.issuer == expected)
        #expect(http.asked.count == 3)
    }

    /// A client carries the issuer that it is registered at, by which the command tells whose it is.
    @Test(arguments: ["https://as.example", "https://as.example/", "https://AS.example/T"])
    func line14_aClientBelongsToAnIssuer(_ issuer: String) async throws {
        var server = Sample.server()
        server.issuer = issuer
        let registration = ClientRegistration(
            at: url("https://as.example/register"),
            of: server,
            for: .browser,
            scopes: [],
            http: ScriptedExchange(201, #"{"client_id":"i"}"#),
            clock: stoppedClock
        )
        let registered = try await registration.register(redirect: "http://127.0.0.1:1/callback")
        #expect(registered.client.issuer.map { Array($0.utf8) } == Array(issuer.utf8))
    }
}
