internal import Glibc

/// From how far away a host can be reached.
package enum Reach: Int, Comparable, Sendable {
    /// This machine alone: loopback.
    case machine
    /// A private network, a link, or nobody: an address that is not global.
    case network
    /// Everybody.
    case world

    package static func < (left: Reach, right: Reach) -> Bool { left.rawValue < right.rawValue }

    /// The word that entries carry; `nil` where there is nothing to keep.
    package var word: String? {
        switch self {
        case .machine: nil
        case .network: "network"
        case .world: "world"
        }
    }

    /// Reads that word; what a newer version wrote asks for the most that this one knows.
    package init(word: String?) {
        switch word {
        case nil: self = .machine
        case "network": self = .network
        default: self = .world
        }
    }

    /// Where, for a sentence.
    var place: String {
        switch self {
        case .machine: "on this machine"
        case .network: "at a private or reserved address"
        case .world: "at a global address"
        }
    }
}

extension EndpointURL {
    /// How far away its host is, as far as its text says: a name counts as everybody's.
    var reach: Reach {
        // RFC 6761 §6.3: names below localhost are this machine's too.
        if isLoopbackHost(host) || host.hasSuffix(".localhost") { return .machine }
        return Reach(address: host) ?? .world
    }
}

/// The bytes of an IP address in its text form, 4 or 16; `nil` for a name.
func addressBytes(_ text: String) -> [UInt8]? {
    for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
        var bytes = [UInt8](repeating: 0, count: count)
        if inet_pton(family, text, &bytes) == 1 { return bytes }
    }
    return nil
}

extension Reach {
    /// How far away an IP address in its text form is; `nil` for a name.
    init?(address: String) {
        guard let bytes = addressBytes(address) else { return nil }
        self = bytes.count == 4 ? Reach(v4: bytes) : Reach(v6: bytes)
    }

    /// The IANA IPv4 Special-Purpose Address Registry, and multicast.
    fileprivate init(v4 bytes: [UInt8]) {
        switch (bytes[0], bytes[1]) {
        // To Linux, connecting to 0.0.0.0 is connecting to itself.
        case (127, _), (0, _): self = .machine
        case (10, _), (172, 16...31), (192, 168), (169, 254), (100, 64...127), (198, 18...19): self = .network
        case (192, 0) where bytes[2] == 0 || bytes[2] == 2: self = .network
        case (198, 51) where bytes[2] == 100, (203, 0) where bytes[2] == 113: self = .network
        // Relays of 6to4, which RFC 7526 has taken out of use.
        case (192, 88) where bytes[2] == 99: self = .network
        case (224..., _): self = .network
        default: self = .world
        }
    }

    /// The IANA IPv6 Special-Purpose Address Registry, multicast, and the IPv4 addresses within.
    fileprivate init(v6 bytes: [UInt8]) {
        func isAll(_ byte: UInt8, _ range: Range<Int>) -> Bool { bytes[range].allSatisfy { $0 == byte } }
        switch (bytes[0], bytes[1]) {
        // Mapped; and ::, ::1 and the old compatible ones, which all begin with zeros.
        case (0, 0) where isAll(0, 0..<10) && isAll(0xFF, 10..<12): self.init(v4: Array(bytes[12...]))
        case (0, 0) where isAll(0, 0..<15): self = .machine
        case (0, 0): self = .network
        case (0, 0x64) where bytes[2] == 0xFF && bytes[3] == 0x9B && isAll(0, 4..<12):
            self.init(v4: Array(bytes[12...]))
        // 6to4
        case (0x20, 0x02): self.init(v4: Array(bytes[2..<6]))
        // Teredo and the others of 2001::/23; documentation
        case (0x20, 0x01) where bytes[2] < 2 || bytes[2] == 0x0D && bytes[3] == 0xB8: self = .network
        case (0x3F, 0xFF) where bytes[2] < 0x10: self = .network
        // Global unicast is 2000::/3; unique local, link-local and multicast are not in it.
        case (0x20...0x3F, _): self = .world
        default: self = .network
        }
    }
}
