/// Where an etcd cluster is, and which of its keys are the vault's, as an address says it: `etcd://HOST:PORT/PREFIX`.
///
/// Several members are named with commas between them. Who the user is, and what vouches for the cluster, stands in
/// `store.yaml`; an address carries neither.
public struct EtcdAddress: Hashable, Sendable, CustomStringConvertible {
    /// etcd's port for clients.
    public static let defaultPort = 2379

    /// A member of the cluster.
    public struct Member: Hashable, Sendable, CustomStringConvertible {
        /// A name or a literal address; IPv6 without brackets.
        public var host: String
        /// 1 to 65535.
        public var port: Int

        /// Makes one.
        public init(host: String, port: Int = EtcdAddress.defaultPort) {
            self.host = host
            self.port = port
        }

        /// `HOST:PORT`.
        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

        /// Reads `HOST`, `HOST:PORT` or `[IPV6]:PORT`; `nil` for anything else.
        init?(_ text: Substring) {
            let text = String(text)
            var port = EtcdAddress.defaultPort
            var host = text
            let end = text.hasPrefix("[") ? text.firstIndex(of: "]") : nil
            if text.hasPrefix("["), end == nil { return nil }
            if let colon = text[(end ?? text.startIndex)...].firstIndex(of: ":") {
                guard let number = Int(text[text.index(after: colon)...]), (1...65535).contains(number) else {
                    return nil
                }
                port = number
                host = String(text[..<colon])
            }
            if host.hasPrefix("[") {
                guard host.hasSuffix("]"), host.count > 4 else { return nil }
                host = String(host.dropFirst().dropLast())
                guard host.utf8.allSatisfy({ $0 == UInt8(ascii: ":") || Character(Unicode.Scalar($0)).isHexDigit })
                else {
                    return nil
                }
            } else {
                guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(Self.isHostByte) else { return nil }
            }
            self.init(host: host, port: port)
        }

        private static func isHostByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                true
            default: false
            }
        }
    }

    /// At least one.
    public var members: [Member]
    /// What every key of the vault begins with, without slashes at its ends; empty for none.
    public var prefix: String

    /// Makes one.
    public init(members: [Member], prefix: String) {
        self.members = members
        self.prefix = prefix
    }

    /// Reads what follows `etcd://`; `nil` unless it is hosts and a prefix of letters, digits and `-._/`.
    public init?(_ text: Substring) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let members = parts[0].split(separator: ",", omittingEmptySubsequences: false).map(Member.init)
        guard !members.contains(nil) else { return nil }
        var prefix = parts.count > 1 ? parts[1][...] : ""
        while prefix.hasSuffix("/") { prefix.removeLast() }
        let steps = prefix.split(separator: "/", omittingEmptySubsequences: false)
        guard prefix.isEmpty || steps.allSatisfy(Self.isStep), prefix.utf8.count <= 256 else { return nil }
        self.init(members: members.compactMap(\.self), prefix: String(prefix))
    }

    /// What a vault's own keys begin with, below its prefix: one within them would go with them.
    private static let taken: Set<Substring> = ["header", "record", "changes", "taken", "body"]

    private static func isStep(_ step: Substring) -> Bool {
        !step.isEmpty && !taken.contains(step)
            && step.unicodeScalars.allSatisfy {
                $0.isASCII && (Character($0).isLetter || Character($0).isNumber || "-._".unicodeScalars.contains($0))
            }
    }

    /// `etcd://HOST:PORT,…/PREFIX`.
    public var description: String {
        "etcd://" + members.map(\.description).joined(separator: ",") + (prefix.isEmpty ? "" : "/\(prefix)")
    }
}
