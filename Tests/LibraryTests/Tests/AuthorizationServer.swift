internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import TestSupport

/// The authorization server of `Tests/Support/oauth`, which detects a reused refresh token and says what it was asked.
final class AuthorizationServer {
    private let server: OAuthServer
    var base: String { server.base }

    init() throws { server = try OAuthServer() }

    /// A grant of the client `public`, as a login would have left it: the answer of the token endpoint.
    func grant() async throws -> [String: Any] {
        // The pair of RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let redirect = "http://127.0.0.1/callback"
        let query =
            "response_type=code&client_id=public&redirect_uri=\(redirect)&scope=read&state=s&code_challenge_method=S256"
            + "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        let client = HTTPClient(configuration: .init(redirectConfiguration: .disallow))
        defer { client.shutdown { _ in } }
        let asked = HTTPClientRequest(url: "\(base)/authorize?\(query)")
        let location = try await client.execute(asked, timeout: .seconds(30)).headers.first(name: "Location") ?? ""
        let code = URLComponents(string: location)?.queryItems?.first { $0.name == "code" }?.value ?? ""
        let form =
            "grant_type=authorization_code&client_id=public&redirect_uri=\(redirect)&code=\(code)"
            + "&code_verifier=\(verifier)"
        var exchange = HTTPClientRequest(url: "\(base)/token")
        exchange.method = .POST
        exchange.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        exchange.body = .bytes(ByteBuffer(string: form))
        let answer = try await object(try await client.execute(exchange, timeout: .seconds(30)))
        guard answer["refresh_token"] is String else { throw Broken(what: "no grant: \(answer)") }
        return answer
    }

    /// How many refreshes it has granted, and how many refresh tokens it saw twice.
    func refreshes() async throws -> [Int] {
        let state = try await object(try await HTTPClient.shared.get("\(base)/_state"))
        return [state["refreshes"] as? Int ?? -1, state["reuses"] as? Int ?? -1]
    }

    /// What became of each request to the protected resource.
    func resourceOutcomes() async throws -> [String] {
        let body = try await HTTPClient.shared.get("\(base)/_log").body.collect(upTo: 1 << 20)
        let log = try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [[String: Any]] ?? []
        return log.filter { $0["endpoint"] as? String == "resource" }.compactMap { $0["outcome"] as? String }
    }

    /// Lets every access token that it has given out run out now.
    func expire() async throws {
        var request = HTTPClientRequest(url: "\(base)/_expire")
        request.method = .POST
        _ = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    }

    private func object(_ answer: HTTPClientResponse) async throws -> [String: Any] {
        let body = try await answer.body.collect(upTo: 1 << 20)
        return try JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any] ?? [:]
    }
}

extension HTTPClient {
    fileprivate func get(_ url: String) async throws -> HTTPClientResponse {
        try await execute(HTTPClientRequest(url: url), timeout: .seconds(30))
    }
}
