internal import SettingsFiles
public import VaultAPI

/// The cluster that `store.yaml` in the configuration directory names, and who the vault is there.
///
/// It holds no password: that has a file of its own, which no other user may read.
public struct EtcdSettings: Hashable, Sendable {
    private static let fields = [
        "endpoints", "prefix", "ca", "certificate", "key", "user", "password_file", "store",
    ]

    /// Where it was read.
    public let path: String
    /// The members; empty where only an address names them.
    public private(set) var endpoints: [EtcdCluster.Endpoint] = []
    /// What every key begins with; `nil` where an address says it.
    public private(set) var prefix: String?
    /// The store of a directory that holds no vault and points to none, as it was written.
    public private(set) var store: String?
    private var authorities: String?
    private var certificate: String?
    private var key: String?
    private var user: EtcdCluster.User?

    /// Reads a file; `nil` where there is none.
    ///
    /// - Throws: `.configuration` naming file, line and field; `.unsafe` for a password in it, for http to another
    ///   machine, and for a file that others may write; `.unavailable` if it cannot be read.
    public static func read(_ path: String) throws(VaultError) -> EtcdSettings? {
        guard let read = try SettingsFile.read(path) else { return nil }
        return try EtcdSettings(yaml: read.bytes, path: path)
    }

    init?(yaml: [UInt8], path: String) throws(VaultError) {
        guard let map = try YAMLMap.unlessEmpty(yaml, subject: path) else { return nil }
        self.path = path
        if map.names.contains("password") {
            throw VaultError(
                .unsafe,
                "\(map.fault("password", "is no field: this file is copied and shown, and a password is not").message)",
                hint:
                    "write it into a file of mode 0600, and that file's path as password_file; then change the password"
            )
        }
        try map.requireKnown(Self.fields)
        for text in try map.texts("endpoints") ?? [] { endpoints.append(try Self.endpoint(text, map)) }
        if endpoints.isEmpty, map.names.contains("endpoints") {
            throw map.fault("endpoints", "is an empty list; leave the line out instead")
        }
        if let text = try map.text("prefix") {
            guard let address = EtcdAddress("host/\(text)"), !address.prefix.isEmpty else {
                throw map.fault("prefix", "is none, expected letters, digits and -._ with slashes between them")
            }
            prefix = address.prefix
        }
        authorities = try Self.path("ca", map)
        certificate = try Self.path("certificate", map)
        key = try Self.path("key", map)
        guard (certificate == nil) == (key == nil) else {
            throw map.fault(key == nil ? "certificate" : "key", "needs the other of certificate and key beside it")
        }
        let name = try map.text("user")
        let password = try Self.path("password_file", map)
        guard (name == nil) == (password == nil) else {
            throw map.fault(
                name == nil ? "password_file" : "user",
                "needs the other of user and password_file beside it"
            )
        }
        if let name, let password { user = EtcdCluster.User(name: name, passwordFile: password) }
        store = try map.text("store")
        if let store, store.hasPrefix("dir:"), !store.hasPrefix("dir:/") {
            throw map.fault("store", "is no path from the root, expected dir:/…")
        }
        if let store, store.contains("@") {
            throw VaultError(
                .unsafe,
                map.fault("store", "holds an @: an address takes no user and no password").message,
                hint: "write user and password_file instead"
            )
        }
    }

    /// The address of the cluster, where the file names both its members and the prefix.
    public var address: EtcdAddress? {
        guard let prefix, !endpoints.isEmpty else { return nil }
        return EtcdAddress(members: endpoints.map(\.member), prefix: prefix)
    }

    /// The cluster of an address, with what the file says of it.
    ///
    /// - Throws: `.configuration` where the two speak of different clusters or prefixes: the user and the password of one
    ///   are not for another.
    public func cluster(for address: EtcdAddress) throws(VaultError) -> EtcdCluster {
        guard prefix == nil || prefix == address.prefix else {
            throw VaultError(
                .configuration,
                "\(path) is for the prefix \(prefix ?? ""), and \(address) has another",
                hint: "take prefix out of that file, or name another --profile: each has a file of its own"
            )
        }
        guard !endpoints.isEmpty || user == nil && certificate == nil else {
            throw VaultError(
                .configuration,
                "\(path) names a user or a certificate, and no endpoints that they are for",
                hint: "write the members into it, as endpoints: [https://HOST:PORT]"
            )
        }
        var cluster = EtcdCluster(address)
        if !endpoints.isEmpty {
            guard !Set(endpoints.map(\.member)).isDisjoint(with: address.members) else {
                throw VaultError(
                    .configuration,
                    "\(path) names other members than \(address)",
                    hint: "name one of its endpoints in the address, or another --profile: each has a file of its own"
                )
            }
            cluster.endpoints = endpoints
        }
        cluster.authorities = authorities
        (cluster.certificate, cluster.key) = (certificate, key)
        cluster.user = user
        return cluster
    }

    private static func endpoint(_ text: String, _ map: YAMLMap) throws(VaultError) -> EtcdCluster.Endpoint {
        // Neither is repeated: what stands there may be a password.
        guard !text.contains("@") else {
            throw VaultError(
                .unsafe,
                map.fault("endpoints", "holds a URL with a user or password in it").message,
                hint: "write user and password_file instead, and change the password"
            )
        }
        let isSecure = text.hasPrefix("https://")
        guard isSecure || text.hasPrefix("http://"),
            let address = EtcdAddress(text.dropFirst(isSecure ? 8 : 7)), address.members.count == 1,
            address.prefix.isEmpty, !text.hasSuffix("/")
        else {
            throw map.fault("endpoints", "holds what is no https://HOST:PORT, or http://127.0.0.1:PORT")
        }
        guard isSecure || address.members[0].isThisMachine else {
            throw VaultError(
                .unsafe,
                map.fault("endpoints", "holds http:// to another machine: all in between would see the password")
                    .message,
                hint: "write https://HOST:PORT, and give the cluster certificates"
            )
        }
        return EtcdCluster.Endpoint(member: address.members[0], isSecure: isSecure)
    }

    private static func path(_ name: String, _ map: YAMLMap) throws(VaultError) -> String? {
        guard let path = try map.text(name) else { return nil }
        guard path.hasPrefix("/") else {
            throw map.fault(name, "is no path from the root, such as /etc/ssl/etcd/ca.pem")
        }
        return path
    }
}
