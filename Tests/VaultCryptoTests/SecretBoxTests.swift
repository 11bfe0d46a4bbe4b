import Testing
import VaultCrypto

struct SecretBoxTests {
    @Test(arguments: [0, 1, 15, 16, 17, 64, 1000])
    func opensWhatItSealed(_ count: Int) throws {
        let key = try SecretBytes(random: SecretBox.keyBytes)
        let plain = try SecretBytes(counting(count))
        let sealed = SecretBox.seal(plain, under: key)
        #expect(sealed.count == count + SecretBox.overhead)
        let opened = try SecretBox.open(sealed[...], under: key)
        let same = opened.equals(plain)
        #expect(same)
        #expect(try SecretBox.openPublic(sealed[...], under: key) == counting(count))
    }

    @Test func neverUsesANonceTwice() throws {
        let key = try SecretBytes(random: SecretBox.keyBytes)
        let plain = try SecretBytes(counting(8))
        let sealed = (0..<1000).map { _ in SecretBox.seal(plain, under: key) }
        #expect(Set(sealed.map { Array($0.prefix(24)) }).count == 1000)
    }

    @Test func refusesEveryChangedBit() throws {
        let key = try SecretBytes(random: SecretBox.keyBytes)
        let plain = try SecretBytes(counting(20))
        let sealed = SecretBox.seal(plain, under: key)
        for bit in 0..<sealed.count * 8 {
            var changed = sealed
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(cryptoFailure { _ = try SecretBox.open(changed[...], under: key) } == .authentication)
            #expect(cryptoFailure { _ = try SecretBox.openPublic(changed[...], under: key) } == .authentication)
        }
    }

    @Test func refusesAnotherKey() throws {
        let key = try SecretBytes(random: SecretBox.keyBytes)
        let other = try SecretBytes(random: SecretBox.keyBytes)
        let plain = try SecretBytes(counting(20))
        let sealed = SecretBox.seal(plain, under: key)
        #expect(cryptoFailure { _ = try SecretBox.open(sealed[...], under: other) } == .authentication)
    }

    @Test func refusesEveryShorterBox() throws {
        let key = try SecretBytes(random: SecretBox.keyBytes)
        let plain = try SecretBytes(counting(3))
        let sealed = SecretBox.seal(plain, under: key)
        for count in 0..<sealed.count {
            let expected: CryptoError.Code = count < SecretBox.overhead ? .malformed : .authentication
            #expect(cryptoFailure { _ = try SecretBox.open(sealed[..<count], under: key) } == expected)
            #expect(cryptoFailure { _ = try SecretBox.openPublic(sealed[..<count], under: key) } == expected)
        }
    }
}

struct PaddingTests {
    @Test(arguments: [0, 1, 15, 30, 31])
    func padsToTheSizeAndBack(_ count: Int) throws {
        let plain = try SecretBytes([UInt8](repeating: 0x80, count: count))
        let padded = try plain.padded(to: 32)
        // ISO/IEC 7816-4: one byte 0x80, then zeros.
        #expect(padded.revealed == plain.revealed + [0x80] + [UInt8](repeating: 0, count: 31 - count))
        #expect(try padded.unpaddedCount() == count)
    }

    @Test func keepsZerosBeforeThePadding() throws {
        let plain = try SecretBytes([1, 0, 0])
        let padded = try plain.padded(to: 16)
        #expect(try padded.unpaddedCount() == 3)
    }

    @Test(arguments: [[], [0], [UInt8](repeating: 0, count: 32), [0x80, 1], [0x80, 0, 0x81], [0x40]] as [[UInt8]])
    func refusesWhatHasNoPadding(_ bytes: [UInt8]) throws {
        let secret = try SecretBytes(bytes)
        #expect(cryptoFailure { _ = try secret.unpaddedCount() } == .malformed)
    }
}
