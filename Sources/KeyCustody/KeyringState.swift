/// What there is to say about the keyring before anything is kept in it.
public struct KeyringState: Sendable {
    /// Why it cannot be used now, with what to do about it; `nil` where it can.
    ///
    /// Its code is `locked`, `unavailable`, `noDefaultCollection`, `volatile` or `dismissed`; anything else is thrown.
    public let obstacle: KeyringError?
    /// Who keeps the keyring, for `vault status`: "Secret Service (gnome-keyring-d)"; empty where there is none.
    public let backend: String
    /// The label of the default collection; empty where there is none.
    public let collection: String

    /// Makes a state.
    public init(obstacle: KeyringError? = nil, backend: String = "", collection: String = "") {
        self.obstacle = obstacle
        self.backend = backend
        self.collection = collection
    }

    /// Whether a key can be kept and found now without asking anybody.
    public var isUsable: Bool { obstacle == nil }
}
