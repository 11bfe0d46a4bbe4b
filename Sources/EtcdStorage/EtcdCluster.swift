/// A cluster, who we are there, and which of its keys are the vault's.
public struct EtcdCluster: Hashable, Sendable {
    /// Where a member answers its clients.
    public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        /// Name or address, and port.
        public var member: EtcdAddress.Member
        /// Whether it is spoken to in TLS; only this machine is spoken to without.
        public var isSecure: Bool

        /// Makes one.
        public init(member: EtcdAddress.Member, isSecure: Bool) {
            self.member = member
            self.isSecure = isSecure
        }

        /// `https://HOST:PORT`.
        public var description: String { "\(isSecure ? "https" : "http")://\(member)" }
    }

    /// Who the vault is to the cluster.
    public struct User: Hashable, Sendable {
        /// The name.
        public var name: String
        /// The file that holds the password: the user's own, mode 0600.
        public var passwordFile: String

        /// Makes one.
        public init(name: String, passwordFile: String) {
            self.name = name
            self.passwordFile = passwordFile
        }
    }

    /// At least one.
    public var endpoints: [Endpoint]
    /// What every key of the vault begins with, without slashes at its ends; empty for none.
    public var prefix: String
    /// A file of certificates, in PEM, that vouch for the cluster; `nil` for the system's.
    public var authorities: String?
    /// A file with the client's certificate, in PEM; `nil` for none.
    public var certificate: String?
    /// The file with its key.
    public var key: String?
    /// `nil` where the cluster does not ask.
    public var user: User?

    /// Makes one.
    public init(endpoints: [Endpoint], prefix: String) {
        self.endpoints = endpoints
        self.prefix = prefix
    }

    /// The cluster of an address alone: this machine's in plain text, any other in TLS.
    public init(_ address: EtcdAddress) {
        self.init(
            endpoints: address.members.map { Endpoint(member: $0, isSecure: !$0.isThisMachine) },
            prefix: address.prefix
        )
    }

    /// The address of its members and keys.
    public var address: EtcdAddress { EtcdAddress(members: endpoints.map(\.member), prefix: prefix) }
}

extension EtcdAddress.Member {
    /// Whether it is this machine by its text: a loopback address, or the name that stands for one.
    package var isThisMachine: Bool {
        let host = host.lowercased()
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
