import Testing
import VaultAPI

@testable import ResourceProxy

struct ListenAddressTests {
    @Test func isThisMachine() throws {
        #expect(try ListenAddress("127.0.0.1:0") == .ipv4(port: 0))
        #expect(try ListenAddress("localhost:80") == .ipv4(port: 80))
        #expect(try ListenAddress("[::1]:65535") == .ipv6(port: 65535))
        #expect(try ListenAddress("unix:/run/a:b") == .unix(path: "/run/a:b"))
    }

    @Test(arguments: [
        "0.0.0.0:1", "[::]:1", "192.0.2.1:1", "127.1:1", "127.0.0.1.evil.example:1", "::1:1", "[::ffff:127.0.0.1]:1",
    ])
    func isNoOther(_ text: String) {
        let error = #expect(throws: VaultError.self) { try ListenAddress(text) }
        #expect(error?.code == .unsafe)
    }

    @Test(arguments: ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:+1", "unix:"])
    func needsAPort(_ text: String) {
        let error = #expect(throws: VaultError.self) { try ListenAddress(text) }
        #expect(error?.code == .usage)
    }
}
