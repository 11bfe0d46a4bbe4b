import NIOHTTP1
import Testing

@testable import ResourceProxy

struct FieldRulesTests {
    @Test func keepsTheClientsOwnFieldsFromTheResource() {
        let names = [
            "Authorization", "COOKIE", "DPoP", "Host", "Origin", "Referer", "Expect", "Connection", "Keep-Alive",
            "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Forwarded",
            "X-Forwarded-For", "X-Forwarded-Proto", "Content-Length",
        ]
        let sent = FieldRules.sent(HTTPHeaders(names.map { ($0, "v") } + [("Accept", "a"), ("X-Kept", "k")]))
        #expect(sent.map(\.name) == ["Accept", "X-Kept"])
    }

    @Test func whatConnectionNamesIsOfTheConnection() {
        let named = [("X-One", "1"), ("x-Two", "2")]
        let fields = HTTPHeaders([("Connection", "close, X-One"), ("connection", "x-two")] + named)
        #expect(FieldRules.sent(fields).isEmpty)
        #expect(FieldRules.answered(fields, without: []) { $0 }.isEmpty)
    }

    @Test func keepsTheTokenFromTheClient() {
        let fields = HTTPHeaders([
            ("X-Debug", "Bearer at-secret!"), ("X-at-SECRET", "1"), ("Set-Cookie", "a=b"), ("DPoP-Nonce", "n"),
            ("Content-Type", "text/plain"), ("Location", "there"), ("X-Accent", "at-secret\u{301}"),
            ("X-Joined", "at-secret\u{200D}x"), ("Content-Location", "/?t=at%2Dsecret"),
        ])
        let answered = FieldRules.answered(fields, without: ["at-secret", "at-other"]) { "(\($0))" }
        #expect(answered.map { "\($0.name): \($0.value)" } == ["Content-Type: text/plain", "Location: (there)"])
    }

    @Test(arguments: [
        ("https://h.example/a?b#c", "http://127.0.0.1:4000/a?b#c"), ("https://H.EXAMPLE/a", "http://127.0.0.1:4000/a"),
        ("https://h.example", "http://127.0.0.1:4000/"), ("https://h.example:443/a", "http://127.0.0.1:4000/a"),
        ("https://h.example?a", "http://127.0.0.1:4000?a"), ("https://h.example:8443/a", "https://h.example:8443/a"),
        ("https://h.example.evil.example/a", "https://h.example.evil.example/a"),
        ("https://h.example@evil.example/", "https://h.example@evil.example/"),
        ("http://h.example/", "http://h.example/"), ("/a", "/a"), ("//h.example/a", "//h.example/a"), ("a/b", "a/b"),
        ("", ""),
    ])
    func leadsTheClientBackToTheProxy(_ location: String, _ expected: String) {
        #expect(relocated(location, from: "https://h.example", to: "127.0.0.1:4000") == expected)
    }

    @Test func withoutANameTheLocationIsRelative() {
        #expect(relocated("https://h.example/a?b", from: "https://h.example", to: "") == "/a?b")
        #expect(relocated("https://h.example", from: "https://h.example", to: "") == "/")
        let other = "https://h.example//evil.example/"
        #expect(relocated(other, from: "https://h.example", to: "") == other)
    }
}
