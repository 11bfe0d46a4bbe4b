import NIOHTTP1
import OAuthFlows
import Testing

@testable import ResourceProxy

struct RequestRulesTests {
    private func rules(unix: Bool = false) throws -> RequestRules {
        RequestRules(
            hosts: unix ? nil : ["127.0.0.1:4000", "localhost:4000"],
            secret: unix ? nil : "secret",
            target: RequestTarget(try EndpointURL("https://h.example/mcp", as: "--to"))
        )
    }

    private func judge(
        _ fields: [(String, String)],
        method: HTTPMethod = .POST,
        version: HTTPVersion = .http1_1,
        unix: Bool = false
    ) throws -> HTTPResponseStatus {
        let head = HTTPRequestHead(version: version, method: method, uri: "/mcp", headers: HTTPHeaders(fields))
        let rules = try rules(unix: unix)
        do throws(Refusal) {
            let accepted = try rules.accept(head)
            #expect(accepted.url == "https://h.example/mcp")
            return .ok
        } catch {
            return error.status
        }
    }

    private static let host = ("Host", "127.0.0.1:4000")
    private static let secret = ("Authorization", "Bearer secret")

    @Test(arguments: ["127.0.0.1:4000", "localhost:4000", "LOCALHOST:4000"])
    func takesTheNamesItIsCalledBy(_ host: String) throws {
        #expect(try judge([("Host", host), Self.secret]) == .ok)
        #expect(try judge([("Host", host), Self.secret, ("Origin", "http://\(host)")]) == .ok)
    }

    @Test(arguments: ["Bearer secret", "bearer secret", "BEARER secret"])
    func takesItsOwnSecret(_ value: String) throws {
        #expect(try judge([Self.host, ("Authorization", value)]) == .ok)
    }

    @Test(arguments: [
        "", "secret", "Bearer", "Bearer secre", "Bearer secrets", "Bearer Secret", "Basic secret", "Bearersecret",
    ])
    func takesNoOther(_ value: String) throws {
        #expect(try judge([Self.host, ("Authorization", value)]) == .unauthorized)
    }

    /// Without the secret nobody learns where requests go, nor anything about their form.
    @Test func judgesTheHostFirstThenTheOriginThenTheSecret() throws {
        #expect(try judge([("Host", "evil.example"), ("Origin", "http://evil.example")]) == .misdirectedRequest)
        #expect(try judge([Self.host, ("Origin", "http://evil.example")]) == .forbidden)
        #expect(try judge([Self.host, ("Upgrade", "x")], method: .TRACE) == .unauthorized)
        #expect(try judge([Self.host, Self.secret, ("Upgrade", "x")], method: .TRACE) == .methodNotAllowed)
    }

    @Test func refusesWhatHasTwoReadings() throws {
        #expect(try judge([Self.secret]) == .badRequest)
        #expect(try judge([Self.host, Self.host, Self.secret]) == .badRequest)
        #expect(try judge([Self.host, Self.secret, Self.secret]) == .unauthorized)
        let fields = [Self.host, Self.secret]
        let chunked = ("Transfer-Encoding", "chunked")
        #expect(try judge(fields + [chunked]) == .ok)
        #expect(try judge(fields + [chunked, ("Content-Length", "4")]) == .badRequest)
        #expect(try judge(fields + [chunked, chunked]) == .notImplemented)
        #expect(try judge(fields + [("Transfer-Encoding", "gzip, chunked")]) == .notImplemented)
        #expect(try judge(fields + [("X", "a\r\nb: c")]) == .badRequest)
        #expect(try judge(fields, version: .http2) == .httpVersionNotSupported)
    }

    @Test func aSocketHasNoNameAndNoSecret() throws {
        #expect(try judge([("Host", "whatever")], unix: true) == .ok)
        #expect(try judge([("Host", "whatever"), ("Origin", "http://whatever")], unix: true) == .forbidden)
        #expect(try judge([], unix: true) == .badRequest)
    }
}
