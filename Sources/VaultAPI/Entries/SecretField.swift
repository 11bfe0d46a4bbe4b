/// A secret an entry can hold.
///
/// The raw values are the tags of the format.
public enum SecretField: UInt16, Sendable, CaseIterable {
    /// RFC 6749 §1.4.
    case accessToken = 1
    /// RFC 6749 §1.5.
    case refreshToken = 2
    /// OpenID Connect Core §2, as received.
    case idToken = 3
    /// RFC 6749 §2.3.1.
    case clientSecret = 4
    /// The secret of a `static:` entry.
    case secret = 5
    /// The private key of `private_key_jwt` (RFC 7523), in PEM.
    case clientKey = 6
    /// The private key that tokens are bound to (RFC 9449).
    case dpopKey = 7

    /// The word that `--json` documents carry.
    public var word: String {
        switch self {
        case .accessToken: "access_token"
        case .refreshToken: "refresh_token"
        case .idToken: "id_token"
        case .clientSecret: "client_secret"
        case .secret: "secret"
        case .clientKey: "client_key"
        case .dpopKey: "dpop_key"
        }
    }
}
