package import VaultAPI

/// Every server that can be named: those that come with the vault, and the user's own in `servers/*.yaml`.
package struct ServerCatalog: Sendable {
    private let servers: [String: KnownServer]

    /// Reads the embedded servers, and the user's where a directory is given.
    ///
    /// A user's server takes the place of an embedded one of the same name.
    ///
    /// - Parameter directory: `~/.config/vault/servers`; it need not exist.
    /// - Throws: `.configuration` naming file, line and field, `.unsafe` for a file or directory others may write,
    ///   `.unavailable` if one cannot be read.
    package init(userDirectory directory: String? = nil) throws(VaultError) {
        servers = try KnownServer.all(
            embedded: PackageResources.servers_json,
            under: "servers",
            userDirectory: directory
        )
    }

    /// Every name, sorted.
    package var names: [String] { servers.keys.sorted() }

    /// The server of that name; `nil` where there is none.
    package func server(_ name: String) -> KnownServer? { servers[name] }
}
