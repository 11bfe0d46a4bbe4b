package import VaultAPI

/// A URL that a credential may be sent to, or a browser be pointed at.
///
/// "https", or "http" on exactly `localhost`, 127/8 or `[::1]`; no user info, no fragment.
package struct EndpointURL: Hashable, Sendable, CustomStringConvertible {
    /// Byte for byte as it was given.
    package let text: String
    package let scheme: String
    /// Lower case, without brackets.
    package let host: String
    package let port: Int
    /// With its leading slash; empty where there is none.
    package let path: String
    package let query: String?

    /// Checks and takes apart.
    ///
    /// - Parameter subject: What the URL is, for the error: "the token endpoint".
    /// - Throws: `.unsafe`, with the reason.
    package init(_ text: String, as subject: String) throws(VaultError) {
        throw VaultError(.failed, "not written yet")
    }

    package var description: String { text }
}
