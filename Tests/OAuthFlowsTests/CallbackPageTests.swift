import Crypto
import Foundation
import Testing

@testable import OAuthFlows

struct CallbackPageTests {
    @Test(arguments: [CallbackPage.success, .failure])
    func holdsNoScriptAndLoadsNothing(_ page: CallbackPage) {
        let html = page.html.lowercased()
        for part in [
            "<script", "javascript:", "onload", "onerror", "src=", "href=", "url(", "@import", "<form", "<iframe",
        ] {
            #expect(!html.contains(part), "\(part) in the page")
        }
        #expect(html.contains("prefers-color-scheme:dark"))
        #expect(html.contains("width=device-width"))
        #expect(html.contains("<meta charset=\"utf-8\">"))
    }

    @Test(arguments: [CallbackPage.success, .failure])
    func allowsItsStyleByHash(_ page: CallbackPage) throws {
        let html = page.html
        let start = try #require(html.range(of: "<style>")).upperBound
        let end = try #require(html.range(of: "</style>")).lowerBound
        let digest = Data(SHA256.hash(data: Data(html[start..<end].utf8))).base64EncodedString()
        let policy = try #require(CallbackPage.fields.first { $0.name == "Content-Security-Policy" }).value
        #expect(policy.contains("default-src 'none'; style-src 'sha256-\(digest)'"))
        #expect(!policy.contains("unsafe"))
        // An attribute would need a hash of its own.
        #expect(!html.contains("style="))
    }

    @Test func differWhereItMatters() {
        #expect(CallbackPage.success.html != CallbackPage.failure.html)
        #expect(CallbackPage.failure.html.contains("terminal"))
    }
}
