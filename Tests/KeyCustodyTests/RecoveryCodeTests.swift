import VaultAPI
import KeyCustody
import Testing
import VaultCrypto

struct RecoveryCodeTests {
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    private static let code = "01234-56789-ABCDE-FGHJK-MNPQR-SKKF2"

    private static func root(_ text: String) throws -> [UInt8]? {
        try RecoveryCodeCustodian.root(ofTyped: try shared(text))?.revealed
    }

    // hashlib's BLAKE2b over the symbols; the check symbols too.
    @Test(arguments: [
        (code, "2aa27a8d98cc275299b2eb06138888a1b3193df8a7e8e341e5175e288721dc67"),
        (
            "ZYXWV-TSRQP-NMKJH-GFEDC-BA987-6129X",
            "8123975b8bd605fa406ece108f6c9626fe8edfe75377a4afc0ce470765a94638"
        ),
        (
            "01010-10101-01010-10101-01010-1HA92",
            "eb500982806b7b3b4bd95aa53aa5a6cdd828f395f8b84fcf1dc6c67e36650cba"
        ),
    ])
    func readsACode(_ code: String, _ expected: String) throws {
        #expect(try hex(#require(try Self.root(code))) == expected)
        let secret = try SecretBytes(Array(code.utf8))
        let read = try RecoveryCode(typed: secret)
        let text = try #require(try read?.text().withUnsafeBytes { Array($0) })
        #expect(String(decoding: text, as: UTF8.self) == code)
    }

    @Test(arguments: [
        "0123456789ABCDEFGHJKMNPQRSKKF2", "01234-56789-abcde-fghjk-mnpqr-skkf2",
        " 01234 56789 ABCDE FGHJK MNPQR SKKF2\n",
        "O1234-56789-ABCDE-FGHJK-MNPQR-SKKF2", "oI234-56789-ABCDE-FGHJK-MNPQR-SKKF2",
        "Ol234-56789-ABCDE-FGHJK-MNPQR-SKKF2", "0L234-56789-ABCDE-FGHJK-MNPQR-SKKF2",
        "0i23456789ABCDEFGHJKMNPQRSKKF2", "--0-1-2-3-4-5-6-7-8-9-A-B-C-D-E-F-G-H-J-K-M-N-P-Q-R-S-K-K-F-2--",
        "01234\t56789\r\nABCDE FGHJK\u{0B}MNPQR\u{0C}SKKF2",
    ])
    func forgivesHowItIsTyped(_ typed: String) throws {
        #expect(try Self.root(typed) == Self.root(Self.code))
    }

    @Test func refusesEveryOtherCharacterAtEveryPosition() throws {
        let characters = Array(Self.code)
        for position in characters.indices where characters[position] != "-" {
            for other in Self.alphabet where other != characters[position] {
                var changed = characters
                changed[position] = other
                #expect(try Self.root(String(changed)) == nil)
            }
        }
    }

    @Test func refusesNeighboursThatChangedPlaces() throws {
        let characters = Array(Self.code.filter { $0 != "-" })
        for position in characters.indices.dropLast() where characters[position] != characters[position + 1] {
            var changed = characters
            changed.swapAt(position, position + 1)
            #expect(try Self.root(String(changed)) == nil)
        }
    }

    @Test(arguments: [
        "", "-", "0", "01234-56789-ABCDE-FGHJK-MNPQR-SKKF", "01234-56789-ABCDE-FGHJK-MNPQR-SKKF22",
        "01234-56789-ABCDE-FGHJK-MNPQR-SKKF2-01234-56789-ABCDE-FGHJK-MNPQR-SKKF2",
        "U1234-56789-ABCDE-FGHJK-MNPQR-SKKF2", "01234_56789_ABCDE_FGHJK_MNPQR_SKKF2",
        "01234-56789-ABCDE-FGHJK-MNPQR-SKKF\u{FF12}", "01234-56789-ABCDE-FGHJK-MNPQR-SKKF2\0",
        "\u{0}1234-56789-ABCDE-FGHJK-MNPQR-SKKF2", "correct horse battery staple",
        "01234\u{A0}56789-ABCDE-FGHJK-MNPQR-SKKF2", "01234\u{2010}56789-ABCDE-FGHJK-MNPQR-SKKF2",
    ])
    func refusesWhatIsNoCode(_ typed: String) throws {
        #expect(try Self.root(typed) == nil)
    }

    @Test func showsNewCodesInSixGroupsOfFive() throws {
        var seen = [Set<Character>](repeating: [], count: 26)
        for _ in 0..<1500 {
            let code = try RecoveryCode()
            let bytes = try code.text().withUnsafeBytes { Array($0) }
            let text = String(decoding: bytes, as: UTF8.self)
            let groups = text.split(separator: "-", omittingEmptySubsequences: false)
            #expect(groups.map(\.count) == [5, 5, 5, 5, 5, 5])
            let symbols = text.filter { $0 != "-" }
            #expect(symbols.allSatisfy(Self.alphabet.contains))
            for (position, symbol) in symbols.prefix(26).enumerated() { seen[position].insert(symbol) }
            #expect(try Self.root(text) == code.root().revealed)
        }
        // Every symbol turns up at each of 26 positions: 130 random bits. The odds against that are 1 to 10^17.
        #expect(seen.allSatisfy { $0.count == 32 })
    }

    @Test func saysWhatACodeLooksLikeWhenItIsNone() async throws {
        let custodian = RecoveryCodeCustodian(
            reading: { () throws(CustodyError) in try await typing("hunter2")(.open) },
            showing: { _ throws(CustodyError) in }
        )
        let slot = KeySlot(
            description: SlotDescription(newOf: .recoveryCode, derivation: cheap),
            commitment: [],
            wrapped: [],
            createdAt: 0,
            path: ""
        )
        let error = await #expect(throws: CustodyError.self) { try await custodian.roots(for: slot, vault: vault) }
        #expect(error?.code == .malformed)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test func makesNoSlotUnlessTheCodeReachedItsOwner() async throws {
        let custodian = RecoveryCodeCustodian(
            reading: { () throws(CustodyError) in try await nobody(.open) },
            showing: { _ throws(CustodyError) in throw CustodyError(.locked, "not typed back") }
        )
        let description = SlotDescription(newOf: .recoveryCode, derivation: cheap)
        #expect(await custodyFailure { _ = try await custodian.enroll(description, vault: vault) } == .locked)
    }
}
