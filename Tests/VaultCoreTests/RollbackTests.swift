import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

@Suite(.serialized)
struct RollbackTests {
    /// A vault whose directory was put back to before its last change.
    private static func putBack(_ change: (Vault) async throws -> Void) async throws -> TestVault {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "old")
        try await vault.insert("b", token: "b")
        try place.copy("vault", to: "copy")
        try await change(vault)
        try place.copy("copy", to: "vault")
        return place
    }

    private static let changes: [(name: String, change: @Sendable (Vault) async throws -> Void)] = [
        ("an update", { try await $0.setToken("a", "new") }), ("an insertion", { try await $0.insert("c") }),
        ("a removal", { try await $0.remove("b") }),
        ("a rename", { try await $0.rename(try name("a"), to: try name("z")) }),
        ("a slot", { try await $0.addSlot(NewSlot(.passphrase, derivation: cheap)) }),
        ("a rotation", { try await $0.rotate() }),
    ]

    @Test(arguments: changes.indices)
    func anOlderCopyIsRefusedUntilItIsAccepted(_ index: Int) async throws {
        let place = try await Self.putBack(Self.changes[index].change)
        let before = try place.files()
        #expect(await failure { _ = try await place.open() } == .damaged)
        let closed = try await ClosedVault.open(place.location)
        #expect(closed.rollback != nil)
        #expect(try place.files() == before)
        let vault = try await place.open(acceptingRollback: true)
        #expect(try await vault.token("a") == "old")
        _ = try await place.open()
    }

    @Test func entriesThatWentBackAreHeldAfterTheRollbackWasAccepted() async throws {
        let place = try await Self.putBack { try await $0.setToken("a", "new") }
        let vault = try await place.open(acceptingRollback: true)
        #expect(try await vault.list().entries.map(\.state) == [.held(.rolledBack), .active])
        let later = try await place.open()
        #expect(try await later.summary(of: try name("a")).state == .held(.rolledBack))
        // What is written now goes above what was seen.
        #expect(try await later.setToken("a", "newest").generation == 3)
        #expect(try await later.setToken("b", "newest").generation == 2)
    }

    @Test func anInstanceThatIsOpenNoticesToo() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "old")
        let header = try place.header()
        try await vault.addSlot(NewSlot(.passphrase, derivation: cheap))
        try place.write(header)
        #expect(await failure { try await vault.insert("b") } == .damaged)
        #expect(try place.records().count == 1)
    }

    @Test func aForkOfTheSameGenerationIsNoticed() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try place.copy("vault", to: "copy")
        try place.copy("state", to: "state-copy")
        try await vault.addSlot(NewSlot(.passphrase, derivation: cheap))
        // On another machine, from the same copy.
        try place.copy("vault", to: "here")
        try place.copy("state", to: "state-here")
        try place.copy("copy", to: "vault")
        try place.copy("state-copy", to: "state")
        try await place.open().addSlot(NewSlot(.passphrase, derivation: cheap))
        try place.copy("state-here", to: "state")
        #expect(await failure { _ = try await place.open() } == .damaged)
    }

    @Test func aMachineThatHasSeenNothingTrustsWhatItFirstSees() async throws {
        let place = try await Self.putBack { try await $0.setToken("a", "new") }
        try FileManager.default.removeItem(atPath: place.place("state"))
        #expect(try await place.open().summary(of: try name("a")).state == .active)
    }

    @Test func aWrongKeyAcceptsNothing() async throws {
        let place = try await Self.putBack { try await $0.setToken("a", "new") }
        let before = try place.files()
        #expect(await failure { _ = try await place.open("wrong", acceptingRollback: true) } == .wrongKey)
        #expect(try place.files() == before)
        #expect(await failure { _ = try await place.open() } == .damaged)
    }
}
