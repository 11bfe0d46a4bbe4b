public import KeyCustody
public import VaultCrypto

/// A place in which a conformance case makes custodians of one kind.
///
/// Every case wants a fresh one: two cases must never share what a custodian keeps.
public struct CustodianUnderTest: Sendable {
    /// The kind of the slots it opens.
    public let kind: SlotKind
    /// Argon2id's parameters for new slots; make them cheap.
    public let derivation: PasswordHash
    /// Whether it keeps secrets that `forget` takes away.
    public let keepsSecrets: Bool
    /// The custodian for the slot of that number.
    ///
    /// Asked for the same number again, it gives an instance as another process would have it: one that finds what the
    /// first one kept, and is told what its user would type.
    public let make: @Sendable (_ number: Int) async throws -> any KeyCustodian
    /// Where the slot of that number says that its key file lies; empty for other kinds.
    public let path: @Sendable (_ number: Int) -> String

    /// Makes one.
    public init(
        kind: SlotKind,
        derivation: PasswordHash = PasswordHash(passes: 1, memoryBytes: 8192),
        keepsSecrets: Bool = false,
        path: @escaping @Sendable (_ number: Int) -> String = { _ in "" },
        make: @escaping @Sendable (_ number: Int) async throws -> any KeyCustodian
    ) {
        self.kind = kind
        self.derivation = derivation
        self.keepsSecrets = keepsSecrets
        self.path = path
        self.make = make
    }
}
