import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 29: RFC 8693 as a step after a login.
struct ExchangingFlowTests {
    private static let first =
        #"{"access_token":"at-1","token_type":"Bearer","refresh_token":"rt-1","id_token":"id-1","scope":"a"}"#
    private static let second = #"{"access_token":"at-2","token_type":"N_A","issued_token_type":"urn:x"}"#

    private func run(
        _ step: ExchangingFlow.Step,
        _ steps: [FlowScript.Step]
    ) async throws -> (result: Result<TokenGrant, VaultError>, script: FlowScript, screen: Screen) {
        let (script, screen) = (FlowScript(steps), Screen())
        let requests = try clientRequests(script)
        let flow = ExchangingFlow(ClientCredentialsFlow(requests: requests), then: step, requests: requests)
        do {
            return (.success(try await flow.grant(asking: screen.interaction)), script, screen)
        } catch { return (.failure(error), script, screen) }
    }

    @Test func exchangesTheAccessTokenAndKeepsWhatRenewsTheLogin() async throws {
        var step = ExchangingFlow.Step(.accessToken)
        step.requestedTokenType = "urn:y"
        let (result, script, _) = try await run(step, [.answer(200, Self.first), .answer(200, Self.second)])
        let grant = try result.get()
        #expect(grant.accessToken.shown == "at-2")
        #expect(grant.tokenType == "N_A")
        #expect(grant.refreshToken?.shown == "rt-1")
        #expect(grant.idToken?.shown == "id-1")
        let asked = script.requests[1]
        #expect(asked.form("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange")
        #expect(asked.form("subject_token") == "at-1")
        #expect(asked.form("subject_token_type") == "urn:ietf:params:oauth:token-type:access_token")
        #expect(asked.form("requested_token_type") == "urn:y")
        #expect(asked.form("client_id") == "client-1")
    }

    @Test func asksOpenAIForAKey() async throws {
        let (result, script, _) = try await run(.openAIKey, [.answer(200, Self.first), .answer(200, Self.second)])
        #expect(try result.get().accessToken.shown == "at-2")
        #expect(script.requests[1].form("subject_token") == "id-1")
        #expect(script.requests[1].form("subject_token_type") == "urn:ietf:params:oauth:token-type:id_token")
        #expect(script.requests[1].form("requested_token") == "openai-api-key")
    }

    @Test(arguments: [
        FlowScript.Step.answer(400, #"{"error":"invalid_request"}"#), .answer(500, ""), .failure(wasSent: true),
    ])
    func anExchangeThatFailsEndsTheLoginUnlessItIsOptional(_ answer: FlowScript.Step) async throws {
        let (refused, _, _) = try await run(.init(.accessToken), [.answer(200, Self.first), answer])
        #expect(throws: VaultError.self) { try refused.get() }
        var step = ExchangingFlow.Step(.accessToken)
        step.isOptional = true
        let (result, _, screen) = try await run(step, [.answer(200, Self.first), answer])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(screen.notes.count == 1)
        #expect(screen.notes.first?.contains("the token exchange failed") == true)
    }

    @Test func whatIsNotThereIsNotExchanged() async throws {
        let (refused, script, _) = try await run(.init(.idToken), [.answer(200, grantJSON)])
        guard case .failure(let error) = refused else {
            Issue.record("went on")
            return
        }
        #expect(error.message.contains("id_token"))
        #expect(script.requests.count == 1)
        let (result, optional, _) = try await run(.openAIKey, [.answer(200, grantJSON)])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(optional.requests.count == 1)
    }

    @Test func afterALoginThatFailedNothingIsExchanged() async throws {
        let (result, script, _) = try await run(.openAIKey, [.answer(401, #"{"error":"invalid_client"}"#)])
        #expect(throws: VaultError.self) { try result.get() }
        #expect(script.requests.count == 1)
    }
}
