/// A token that may be presented to a resource (RFC 6749 §1.4), on its way out of the vault.
///
/// Its value is a `String` because every consumer wants one; it shows nothing of it when it is printed or dumped.
public struct AccessToken: Sendable, CustomStringConvertible, CustomReflectable {
    /// What goes into the request.
    public let value: String
    /// How it goes there (RFC 6749 §7.1), as the server named it; `Bearer` if it did not.
    public let type: String
    /// Until when it is valid, in RFC 3339; `nil` where that is unknown, or never.
    public let expiresAt: String?

    /// Makes a token.
    public init(value: String, type: String = "Bearer", expiresAt: String? = nil) {
        self.value = value
        self.type = type
        self.expiresAt = expiresAt
    }

    /// The type and the expiry.
    public var description: String { "\(type) token" + (expiresAt.map { " until \($0)" } ?? "") }

    /// Has no children: a dump shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [(label: String?, value: Any)]()) }
}
