import OAuthFlows
import Testing

@testable import ResourceProxy

struct RequestTargetTests {
    private func url(of target: String, to resource: String) throws -> String? {
        try? RequestTarget(try EndpointURL(resource, as: "--to")).url(of: target)
    }

    @Test(arguments: [
        "/mcp", "/mcp/", "/mcp/a", "/mcp/a/b?c=/../d", "/mcp?x=%2e%2e", "/mcp/%41",
        "/mcp/a..b", "/mcp/...",
    ])
    func goesToTheResourceAndBelow(_ target: String) throws {
        #expect(try url(of: target, to: "https://h.example/mcp") == "https://h.example\(target)")
        #expect(try url(of: target, to: "https://h.example") == "https://h.example\(target)")
        #expect(try url(of: target, to: "https://h.example:8443/") == "https://h.example:8443\(target)")
    }

    @Test(arguments: [
        "/", "/mcp2", "/mc", "/MCP", "/%6dcp", "//mcp", "/other/mcp", "/mcp/../admin", "/mcp/..", "/mcp/.", "/mcp/./a",
        "/mcp/%2e%2e/admin", "/mcp/%2E./admin", "/mcp/.%2e", "/mcp/%252e%252e/admin", "/mcp/%25252e%25252e/a",
        "/mcp/..%2fadmin", "/mcp/a%2f..%2f..%2fadmin", "/mcp/..%5cadmin", "/mcp/..\\admin", "/mcp\\..\\admin",
        "/mcp/..;/admin", "/mcp/..%3bx/admin", "/mcp/%5c", "http://h.example/mcp", "https://other.example/mcp", "*",
        "mcp", "", "/mcp#x", "/mcp/\u{e9}", "/mcp/a b", "/mcp/%0d%0aX", "/mcp/%zz", "/mcp/%", "@other.example/mcp",
        "/mcp/%ff", "/mcp/a/%80/b?x", "/mcp/%c0%ae%c0%ae", "/mcp/%ED%A0%80", "/mcp/..%3fx/a", "/mcp/..%23/a",
        "/mcp/..%20/a", "/mcp/%ef%bc%8e%ef%bc%8e/a",
    ])
    func goesNowhereElse(_ target: String) throws {
        #expect(try url(of: target, to: "https://h.example/mcp") == nil)
    }

    /// What a URL may not hold is escaped; what is escaped already is not, once more.
    @Test(arguments: [
        ("?a=%20b|c", "?a=%20b%7Cc"), ("?a=[1]&b=%5B", "?a=%5B1%5D&b=%5B"), ("?sig=%2Bx%3D|y", "?sig=%2Bx%3D%7Cy"),
        ("?100%", "?100%25"), ("?a=%zz", "?a=%25zz"), ("?$filter=x;'(y)", "?$filter=x;'(y)"), ("?", "?"),
    ])
    func aQueryIsTheSameThere(_ query: String, _ expected: String) throws {
        #expect(try url(of: "/mcp" + query, to: "https://h.example/mcp") == "https://h.example/mcp" + expected)
    }

    @Test func aSlashAtTheEndIsPartOfTheResource() throws {
        #expect(try url(of: "/mcp/", to: "https://h.example/mcp/") != nil)
        #expect(try url(of: "/mcp/a", to: "https://h.example/mcp/") != nil)
        #expect(try url(of: "/mcp", to: "https://h.example/mcp/") == nil)
    }
}
