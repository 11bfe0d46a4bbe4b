import Glibc
import NIOCore
import NIOPosix
import Synchronization
import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 8: how far away an address is, and that nothing nearer than asked for is connected to.
struct HostAddressesTests {
    /// Each block of the IANA IPv4 Special-Purpose Address Registry, and multicast: its first and last address.
    private static let v4: [(String, String, Reach)] = [
        ("0.0.0.0", "0.255.255.255", .machine), ("10.0.0.0", "10.255.255.255", .network),
        ("100.64.0.0", "100.127.255.255", .network), ("127.0.0.0", "127.255.255.255", .machine),
        ("169.254.0.0", "169.254.255.255", .network), ("172.16.0.0", "172.31.255.255", .network),
        ("192.0.0.0", "192.0.0.255", .network), ("192.0.2.0", "192.0.2.255", .network),
        ("192.88.99.0", "192.88.99.255", .network), ("192.168.0.0", "192.168.255.255", .network),
        ("198.18.0.0", "198.19.255.255", .network), ("198.51.100.0", "198.51.100.255", .network),
        ("203.0.113.0", "203.0.113.255", .network), ("224.0.0.0", "239.255.255.255", .network),
        ("240.0.0.0", "255.255.255.254", .network), ("255.255.255.255", "255.255.255.255", .network),
        // In the registry, and globally reachable: AS112 and AMT.
        ("192.31.196.0", "192.31.196.255", .world), ("192.52.193.0", "192.52.193.255", .world),
        ("192.175.48.0", "192.175.48.255", .world),
        // What lies between the blocks.
        ("1.0.0.0", "9.255.255.255", .world), ("11.0.0.0", "100.63.255.255", .world),
        ("100.128.0.0", "126.255.255.255", .world), ("128.0.0.0", "169.253.255.255", .world),
        ("169.255.0.0", "172.15.255.255", .world), ("172.32.0.0", "191.255.255.255", .world),
        ("192.0.1.0", "192.0.1.255", .world), ("192.0.3.0", "192.31.195.255", .world),
        ("192.88.100.0", "192.167.255.255", .world), ("192.169.0.0", "198.17.255.255", .world),
        ("198.20.0.0", "198.51.99.255", .world), ("198.51.101.0", "203.0.112.255", .world),
        ("203.0.114.0", "223.255.255.255", .world),
    ]

    /// The IPv6 registry, multicast, and the blocks that hold IPv4 addresses.
    private static let v6: [(String, String, Reach)] = [
        ("::", "::", .machine), ("::1", "::1", .machine), ("::100", "::7f00:0", .network),
        ("::127.0.0.1", "::8.8.8.8", .network), ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", .network),
        ("100::", "100::ffff:ffff:ffff:ffff", .network), ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", .network),
        // Teredo, ORCHID and the rest of 2001::/23.
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", .network), ("2001:1::1", "2001:1::3", .network),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", .network), ("2001:10::", "2001:1f:ffff::", .network),
        ("2001:20::", "2001:2f:ffff::", .network),
        ("2001:1ff:ffff::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", .network),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", .network),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", .network), ("5f00::", "5f00:ffff::", .network),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .network), ("fe80::", "febf:ffff::", .network),
        ("fec0::", "feff:ffff::", .network), ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .network),
        // Mapped, 64:ff9b::/96 and 6to4: as what is within.
        ("::ffff:0.0.0.0", "::ffff:0.255.255.255", .machine), ("::ffff:127.0.0.1", "::ffff:7fff:ffff", .machine),
        ("::ffff:10.0.0.1", "::ffff:c0a8:101", .network), ("::ffff:169.254.169.254", "::ffff:100.64.0.1", .network),
        ("::ffff:8.8.8.8", "::ffff:808:404", .world), ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1", .machine),
        ("64:ff9b::10.0.0.1", "64:ff9b::c0a8:101", .network), ("64:ff9b::8.8.8.8", "64:ff9b::808:404", .world),
        ("2002:7f00:1::", "2002:7fff:ffff::1", .machine), ("2002:a00:1::", "2002:c0a8:101::1", .network),
        ("2002:808:808::", "2002:808:404::1", .world), ("2002:a9fe:a9fe::", "2002:6440:1::", .network),
        // Translated (RFC 2765), and no mapped address.
        ("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", .network),
        ("2000::1", "2000:ffff::", .world), ("2001:200::", "2001:db7:ffff::", .world),
        ("2001:db9::", "2001:ffff::", .world),
        ("2003::", "3ffe:ffff::", .world), ("2606:4700::1111", "2620:4f:8000::1", .world),
        ("3fff:1000::", "3fff:ffff::", .world),
        // Given out to nobody.
        ("4000::", "5eff:ffff::", .network), ("5f01::", "fbff:ffff::", .network), ("200::", "1fff:ffff::", .network),
    ]

    @Test(arguments: v4 + v6)
    func knowsHowFarAwayABlockIs(_ first: String, _ last: String, _ expected: Reach) throws {
        for address in [first, last] {
            #expect(Reach(address: address) == expected, "\(address)")
            let host = address.contains(":") ? "[\(address)]" : address
            // The same of a URL, and with it whether one may be led there.
            #expect(try EndpointURL("https://\(host)/", as: "it").reach == expected, "\(address)")
            for least in [Reach.machine, .network, .world] {
                let url = try? EndpointURL("https://\(host)/", as: "it", leastReach: least)
                #expect((url != nil) == (expected >= least), "\(address)")
            }
        }
    }

    /// Every one of the 65,536 blocks of the first two bytes, by a table that is written otherwise.
    @Test func agreesWithTheRegistryOnEveryBlock() {
        func registry(_ first: Int, _ second: Int) -> Reach? {
            switch first {
            case 0, 127: return .machine
            case 10, 224...255: return .network
            case 100: return second & 0xC0 == 64 ? .network : .world
            case 169: return second == 254 ? .network : .world
            case 172: return second & 0xF0 == 16 ? .network : .world
            case 192: return second == 168 ? .network : [0, 88].contains(second) ? nil : .world
            case 198: return second & 0xFE == 18 ? .network : second == 51 ? nil : .world
            case 203: return second == 0 ? nil : .world
            default: return .world
            }
        }
        for first in 0...255 {
            for second in 0...255 {
                guard let expected = registry(first, second) else { continue }
                let found = Reach(address: "\(first).\(second).77.1")
                if found != expected { Issue.record("\(first).\(second).77.1 is \(String(describing: found))") }
                let mapped = Reach(address: "::ffff:\(first).\(second).77.1")
                if mapped != expected {
                    Issue.record("::ffff:\(first).\(second).77.1 is \(String(describing: mapped))")
                }
            }
        }
    }

    @Test(arguments: [
        "", "as.example", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.0.0.1", "127.1", "2130706433", "fe80::1%lo", "[::1]",
        ":::1", " 127.0.0.1",
    ])
    func takesNothingElseForAnAddress(_ text: String) {
        #expect(Reach(address: text) == nil)
    }

    @Test(arguments: [
        ("localhost", Reach.machine), ("LOCALHOST", .machine), ("a.localhost", .machine), ("a.b.LocalHost", .machine),
        ("localhost.example", .world), ("xlocalhost", .world), ("ip6-localhost", .world), ("as.example", .world),
    ])
    func goesByTheTextOfAName(_ host: String, _ expected: Reach) throws {
        #expect(try EndpointURL("https://\(host)/", as: "it").reach == expected)
    }

    // MARK: - By the addresses that a name has

    /// A name of this machine that does not look like one, as `/etc/hosts` or the resolver has it.
    private static let ownName: String? = {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return [host, "ip6-localhost", "localhost.localdomain", "ip6-loopback"].first { name in
            guard let url = try? EndpointURL("https://\(name)/", as: "it"), url.reach == .world else { return false }
            var list: UnsafeMutablePointer<addrinfo>?
            guard getaddrinfo(name, nil, nil, &list) == 0 else { return false }
            defer { freeaddrinfo(list) }
            var next = list
            while let info = next?.pointee {
                var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
                let length = socklen_t(text.count)
                getnameinfo(info.ai_addr, info.ai_addrlen, &text, length, nil, 0, NI_NUMERICHOST)
                let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
                if isLoopbackHost(address) { return true }
                next = info.ai_next
            }
            return false
        }
    }()

    @Test func resolvesLocalhostToThisMachine() async throws {
        let addresses = try await HostAddresses(of: url("https://localhost/"), within: .seconds(60))
        #expect(addresses.nearest == .machine)
        let found = try addresses.checked()
        #expect(!found.isEmpty && found.allSatisfy(isLoopbackHost))
        let exchange = try AsyncHTTPExchange(environment: [:])
        #expect(
            try await exchange.reach(of: url("https://localhost/")) == FoundReach(reach: .machine, isByAddress: true)
        )
    }

    @Test func anAddressIsItself() async throws {
        for (text, host) in [("https://93.184.216.34/", "93.184.216.34"), ("https://[2606:4700::1]/", "2606:4700::1")] {
            let url = try EndpointURL(text, as: "it", leastReach: .world)
            #expect(try await HostAddresses(of: url, within: .seconds(1)).checked() == [host])
        }
    }

    /// A name that everybody might have resolves to this machine: nothing connects.
    @Test(
        .enabled(if: ownName != nil, "this machine has no name that resolves to itself"),
        arguments: [Reach.network, .world]
    )
    func sendsNothingToAnAddressThatIsNearer(_ least: Reach) async throws {
        let name = try #require(Self.ownName)
        let visitors = try await Visitors.open()
        let exchange = try AsyncHTTPExchange(environment: [:])
        let target = "https://\(name):\(visitors.port)/token?code=hidden"
        var request = HTTPRequest(.post, try EndpointURL(target, as: "it", leastReach: least))
        request.body = secret("refresh_token=R")
        request.beforeSending = { Issue.record("the request was about to be sent") }
        let refused = request
        let error = await #expect(throws: HTTPFailure.self) { try await exchange.send(refused) }
        #expect(error?.isRefusal == true)
        #expect(error?.wasSent == false)
        #expect(error?.message.contains("on this machine") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("hidden") == false)
        #expect(visitors.count == 0)

        // The counter-check: asked of no reach, the same name is connected to.
        var plain = HTTPRequest(.get, try EndpointURL(target, as: "it"))
        plain.timeout = .seconds(20)
        let asked = plain
        _ = try? await exchange.send(asked)
        #expect(visitors.count > 0)
        try await visitors.close()
    }

    /// Behind a proxy, which resolves names itself, the text of a URL is all there is to go by.
    @Test func aProxyLooksForItself() async throws {
        let exchange = try AsyncHTTPExchange(environment: ["HTTPS_PROXY": "http://127.0.0.1:9"])
        let name = "nobody.invalid"
        #expect(
            try await exchange.reach(of: url("https://\(name)/")) == FoundReach(reach: .world, isByAddress: false)
        )
        #expect(try await exchange.reach(of: url("https://10.0.0.1/")).reach == .network)
    }
}

/// Counts who comes to a port of both loopback addresses, and closes on each.
private final class Visitors: Sendable {
    private let channels: [any Channel]
    private let seen: CountBox

    private final class CountBox: Sendable {
        let count = Mutex(0)
    }

    private init(_ channels: [any Channel], _ seen: CountBox) { (self.channels, self.seen) = (channels, seen) }

    var port: Int { channels[0].localAddress?.port ?? 0 }
    var count: Int { seen.count.withLock { $0 } }

    static func open() async throws -> Visitors {
        let seen = CountBox()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                seen.count.withLock { $0 += 1 }
                return channel.close()
            }
        let first = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        // Where there is no IPv6, a name has no such address either.
        let second = try? await bootstrap.bind(host: "::1", port: first.localAddress?.port ?? 0).get()
        return Visitors([first] + [second].compactMap(\.self), seen)
    }

    func close() async throws { for channel in channels { try await channel.close().get() } }
}
