import CredentialVault
import Testing
import VaultTestKit

struct FixedTokenBrokerTests {
    private func code(_ body: () async throws -> Void) async -> VaultError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? VaultError)?.code
        }
    }

    @Test func goesOnToTheNextTokenWhenOneIsRejected() async throws {
        let broker = FixedTokenBroker(["work": ["at-1", "at-2"]])
        let first = try await broker.accessToken(for: "work")
        #expect(first.value == "at-1")
        #expect(try await broker.accessToken(for: "oauth:work").value == "at-1")
        var rejecting = TokenRequirements()
        rejecting.rejected = first
        #expect(try await broker.accessToken(for: "work", rejecting).value == "at-2")
        // Somebody who is late with the same news gets the token that there is.
        #expect(try await broker.accessToken(for: "work", rejecting).value == "at-2")
        rejecting.rejected = AccessToken(value: "at-2")
        #expect(await code { _ = try await broker.accessToken(for: "work", rejecting) } == .loginRequired)
        #expect(broker.calls.map(\.name) == ["work", "oauth:work", "work", "work", "work"])
        #expect(broker.calls.compactMap { $0.requirements.rejected?.value } == ["at-1", "at-1", "at-2"])
    }

    @Test func throwsWhatItIsTold() async throws {
        let broker = FixedTokenBroker(["work": ["at-1"], "static:key": ["sk-1"]])
        broker.fail("work", with: VaultError(.temporary, "down"))
        #expect(await code { _ = try await broker.accessToken(for: "work") } == .temporary)
        #expect(try await broker.accessToken(for: "static:key").value == "sk-1")
        broker.fail("work", with: nil)
        #expect(try await broker.accessToken(for: "work").value == "at-1")
        #expect(await code { _ = try await broker.accessToken(for: "other") } == .notFound)
    }

    @Test func givesTheFieldsOfARequest() async throws {
        let broker = FixedTokenBroker([
            "work": [AccessToken(value: "at-1", type: "DPoP")], "key": [AccessToken(value: "b")],
        ])
        let bound = try await broker.authorization(for: "work", method: "GET", url: "https://example.com/")
        #expect(bound.fields.map(\.name) == ["Authorization", "DPoP"])
        #expect(bound.fields.first?.value == "DPoP at-1")
        #expect(await code { _ = try await broker.accessToken(for: "work") } == .unsafe)
        let plain = try await broker.authorization(for: "key", method: "GET", url: "https://example.com/")
        #expect(plain.fields.map(\.value) == ["Bearer b"])
        #expect(broker.calls.map(\.url) == ["https://example.com/", nil, "https://example.com/"])
    }
}
