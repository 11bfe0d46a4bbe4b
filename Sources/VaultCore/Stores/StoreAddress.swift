public import EtcdStorage
internal import PrivateFiles
public import VaultAPI
internal import VaultStorage

/// Which store keeps a vault's records, as `--store` and `vault store` say it.
public enum StoreAddress: Hashable, Sendable, CustomStringConvertible {
    /// A database in the vault's own directory.
    case sqlite
    /// A directory with a sealed file for each entry; an absolute path.
    case directory(String)
    /// An etcd cluster.
    case etcd(EtcdAddress)

    /// Whether machines synchronise it, each with locks of its own.
    var isSynced: Bool { if case .directory = self { true } else { false } }

    /// What `--store` takes: `sqlite`, `dir:PATH`, `etcd://HOST:PORT/PREFIX`.
    public static let forms = "sqlite, dir:PATH or etcd://HOST:PORT/PREFIX"

    /// Reads an address.
    ///
    /// - Parameter home: What `~/` at the beginning of a path stands for; the shell replaces none after `dir:`.
    /// - Throws: `.usage` for what is no address, `.unsafe` for one that carries a password: others can read arguments.
    public init(parsing text: String, home: String?) throws(VaultError) {
        guard text.hasPrefix("dir:") || Self.isHarmless(text) else { throw Self.credentials }
        switch text {
        case "sqlite", "sqlite:": self = .sqlite
        case let text where text.hasPrefix("dir:"):
            var path = String(text.dropFirst(4))
            if path.hasPrefix("~/"), let home { path = home + path.dropFirst() }
            guard !path.isEmpty, !path.contains("\n"), !path.contains("\0") else {
                throw VaultError(.usage, "\(text) names no directory", hint: "write --store dir:PATH")
            }
            self = .directory(VaultLocation.absolute(path))
        case let text where text.hasPrefix("etcd://"):
            guard let address = EtcdAddress(text.dropFirst(7)) else {
                throw VaultError(
                    .usage,
                    "that is no address of an etcd cluster",
                    hint: "write etcd://HOST:PORT/PREFIX, several hosts with commas between them"
                )
            }
            self = .etcd(address)
        default:
            // What follows the kind may be meant as a password.
            let kind = text.prefix { $0 != ":" }
            throw VaultError(.usage, "there is no store \(kind)", hint: "write \(Self.forms)")
        }
    }

    /// Whether nothing in a text looks like a user, a password or a query.
    ///
    /// No address is repeated in an error either.
    private static func isHarmless(_ text: String) -> Bool {
        !text.contains { "@?#;".contains($0) }
    }

    private static let credentials = VaultError(
        .unsafe,
        "the address of a store takes no user, no password and no query: others can read a command's arguments",
        hint: "write user and password_file into store.yaml, and the address as etcd://HOST:PORT/PREFIX"
    )

    /// Where versions that were set aside lie, if there are any: they stay when the store is removed.
    public var setAside: String? {
        guard case .directory(let path) = self else { return nil }
        let setAside = "\(path)/\(DirectoryStore.setAsideName)"
        return (try? FileStatus.of(setAside)) == nil ? nil : setAside
    }

    /// The address as it is written.
    public var description: String {
        switch self {
        case .sqlite: "sqlite"
        case .directory(let path): "dir:\(path)"
        case .etcd(let address): address.description
        }
    }
}
