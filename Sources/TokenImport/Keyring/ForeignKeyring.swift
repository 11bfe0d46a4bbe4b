internal import StrictJSON
public import VaultAPI
public import VaultCrypto

/// The desktop's keyring as far as an import looks into it: items of other programs, read and never changed.
///
/// A protocol, so that whoever plans an import decides whether there is a keyring at all.
public protocol ForeignKeyring: Sendable {
    /// What is kept for a service, and for one account of it where one is named: the account's name and the value.
    ///
    /// Nobody is asked anything and nothing is unlocked.
    ///
    /// - Throws: `.notFound` where there is nothing, `.locked`, `.unavailable`.
    func items(of service: String, account: String?) async throws(VaultError) -> [(
        account: String, value: SharedSecret
    )]
}

/// An item of another program in the keyring, which stands where a path stands: `keyring:SERVICE/ACCOUNT`.
public struct ForeignItem: Hashable, Sendable {
    /// What paths of such items begin with.
    public static let scheme = "keyring:"

    /// The attribute `service`.
    public let service: String
    /// The attribute `username`.
    public let account: String

    /// Names an item.
    public init(service: String, account: String) {
        self.service = service
        self.account = account
    }

    /// The item that a path names; `nil` for the path of a file.
    public init?(path: String) {
        guard path.hasPrefix(Self.scheme) else { return nil }
        let rest = path.dropFirst(Self.scheme.count)
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        self.init(service: String(rest[..<slash]), account: String(rest[rest.index(after: slash)...]))
    }

    /// What stands for a path.
    public var path: String { "\(Self.scheme)\(service)/\(account)" }

    /// Refuses to take a grant out of the keyring: it belongs to a program that is at work with it.
    static func refuseRemoval(from path: String, of facts: FormatFacts) throws(VaultError) {
        guard ForeignItem(path: path) != nil else { return }
        throw VaultError(
            .unsafe,
            "\(printable(path)) is an item of \(facts.tool) in the keyring, which is only read; nothing was removed",
            hint: "log out of \(facts.tool), then: vault adopt NAME"
        )
    }
}
