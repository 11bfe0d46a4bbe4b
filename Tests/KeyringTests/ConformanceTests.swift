import KeyCustody
import TestSupport
import Testing
import VaultCrypto
import VaultTestKit

/// Both custodians that keep secrets in a keyring, against a real gnome-keyring on a bus of its own.
@Suite(.blocking, .serialized)
struct KeyringConformanceTests {
    @Test(arguments: KeyCustodianConformance.cases)
    func secretServiceConforms(_ conformance: KeyCustodianConformance.Case) async throws {
        let client = try PrivateBus().heldClient()
        try await conformance.run(
            CustodianUnderTest(kind: .secretService, keepsSecrets: true) { _ in
                SecretServiceCustodian(keyring: client.client, isInteractive: false, label: "vault: a test")
            }
        )
    }

    @Test(arguments: KeyCustodianConformance.cases)
    func combinedConforms(_ conformance: KeyCustodianConformance.Case) async throws {
        let client = try PrivateBus().heldClient()
        let limits = DerivationLimits(minimum: PasswordHash(passes: 1, memoryBytes: 8192))
        try await conformance.run(
            CustodianUnderTest(kind: .secretServiceAndPassphrase, keepsSecrets: true) { _ in
                CombinedCustodian(
                    keyring: SecretServiceCustodian(
                        keyring: client.client,
                        isInteractive: false,
                        label: "vault: a test"
                    ),
                    passphrase: PassphraseCustodian(
                        asking: { _ throws(CustodyError) in client.passphrase },
                        limits: limits
                    )
                )
            }
        )
    }
}

/// A client and the bus that lives as long as it, to be carried into closures.
final class HeldClient: @unchecked Sendable {
    // @unchecked: the bus is only kept alive.
    let client: KeyringClient
    let passphrase: SharedSecret
    private let bus: PrivateBus

    init(_ bus: PrivateBus) throws {
        self.bus = bus
        client = bus.client()
        passphrase = SharedSecret(try SecretBytes(Array("correct horse".utf8)))
    }
}

extension PrivateBus {
    /// A client that keeps this bus up.
    func heldClient() throws -> HeldClient { try HeldClient(self) }
}
