import OAuthFlows
import Testing
import VaultAPI

struct EndpointURLTests {
    @Test(arguments: [
        "http:$(calc)", "https://a/?x=\"&calc", "https://a/`calc`", "https://a/;calc", "https://a/|calc",
        "https://a/$(calc)",
        "https://a/\nx", "https://a/\r\nX: y", "https://a/\u{202E}txt", "https://a/\0", "https://a/ b", "-https://a/",
        "%action",
        "javascript:alert(1)", "data:text/html,x", "file://localhost/etc/passwd", "smb://host/share", "mailto:a@b",
        "http://localhost.evil/", "http://127.0.0.1@evil/", "http://0x7f.1/", "https://0x7f.1/", "https://2130706433/",
        "https://127.1/", "https://0177.0.0.1/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://a.0x7f/",
        "http://127.0.0.1.evil/", "http://[::2]/", "http://[::ffff:127.0.0.1]/", "https://[::1/", "https://[::1]x/",
        "https://[fe80::1%25eth0]/", "https://[v1.x]/", "https://user@host/", "https://user:word@host/",
        "https://host/#x",
        "https://host#", "https://", "https:///path", "https:/host", "https:host", "//host/path", "/path", "", "https",
        "https://host:0/", "https://host:65536/", "https://host:/", "https://host:1x/", "https://host:+1/",
        "https://-host/",
        "https://host-/", "https://a..b/", "https://host./", "https://b\u{FC}cher.example/", "https://a_b/",
        "https://host\\@evil/", "https://host/%", "https://host/%0", "https://host/%zz", "https://host/%0d%0aX",
        "https://host/%00", "https://host/%ff", "https://host/a/%c0%ae", "https://host/[x]", "https://host/?[x]",
        "https://host/<x>", "https://host/{x}",
        "https://host/^", "ftp://host/", "https://\(String(repeating: "a", count: 64)).example/",
        "https://host/\(String(repeating: "a", count: 4096))", "https://ho%73t/", "https://ho st/",
    ])
    func refuses(_ text: String) throws {
        let error = #expect(throws: VaultError.self) { try EndpointURL(text, as: "the token endpoint") }
        #expect(error?.code == .unsafe)
        let message = try #require(error?.message)
        #expect(message.hasPrefix("the token endpoint"))
        #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E && $0.value != 0x7F })
        #expect(message.count < 400)
    }

    @Test(arguments: [
        ("https://user:hunter2@host/", "hunter2"), ("https://host/?code=hunter2 ", "hunter2"),
        ("https://host/#access_token=hunter2", "hunter2"), ("https:// /?client_secret=hunter2", "hunter2"),
    ])
    func showsNoSecretOfWhatItRefuses(_ text: String, _ secret: String) {
        let error = #expect(throws: VaultError.self) { try EndpointURL(text, as: "the URL") }
        #expect(error?.message.contains(secret) == false)
    }

    @Test(
        arguments: [
            ("https://Example.COM", "example.com", 443, "", nil, "https://example.com"),
            ("HTTPS://example.com:443/", "example.com", 443, "/", nil, "https://example.com"),
            ("https://example.com:8443/a/b?c=d&e", "example.com", 8443, "/a/b", "c=d&e", "https://example.com:8443"),
            ("http://localhost:1455/x", "localhost", 1455, "/x", nil, "http://localhost:1455"),
            ("http://127.0.0.1/", "127.0.0.1", 80, "/", nil, "http://127.0.0.1"),
            ("http://127.255.0.9:1/", "127.255.0.9", 1, "/", nil, "http://127.255.0.9:1"),
            ("http://[::1]:80?", "::1", 80, "", "", "http://[::1]"),
            ("https://[2001:DB8::1]:65535/", "2001:db8::1", 65535, "/", nil, "https://[2001:db8::1]:65535"),
            (
                "https://xn--bcher-kva.example/%C3%BC?q=%20+", "xn--bcher-kva.example", 443, "/%C3%BC", "q=%20+",
                "https://xn--bcher-kva.example"
            ),
            ("https://93.184.216.34/", "93.184.216.34", 443, "/", nil, "https://93.184.216.34"),
        ] as [(String, String, Int, String, String?, String)]
    )
    func takesApart(_ text: String, _ host: String, _ port: Int, _ path: String, _ query: String?, _ origin: String)
        throws
    {
        let url = try EndpointURL(text, as: "the URL")
        #expect(url.text == text)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.path == path)
        #expect(url.query == query)
        #expect(url.origin == origin)
    }

    @Test(arguments: [
        ("https://a/x", "https://a/x?state=a%26b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F"),
        ("https://a/x?", "https://a/x?state=a%26b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F"),
        ("https://a/x?p=B2C_1", "https://a/x?p=B2C_1&state=a%26b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F"),
        ("https://a/x?p=1&", "https://a/x?p=1&state=a%26b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F"),
    ])
    func keepsTheQueryOfAnAuthorizationEndpoint(_ text: String, _ expected: String) throws {
        let added = try url(text).adding(query: [("state", "a&b"), ("redirect_uri", "http://127.0.0.1:1/")])
        #expect(added == expected)
    }

    @Test(arguments: ["client_id=evil", "a=b&client_id", "%63lient_id=evil", "a&client%5Fid=x"])
    func refusesAQueryThatSetsWhatTheClientSets(_ query: String) {
        let error = #expect(throws: VaultError.self) {
            try url("https://a/x?\(query)").adding(query: [("client_id", "us")])
        }
        #expect(error?.code == .unsafe)
    }
}
