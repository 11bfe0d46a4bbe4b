import Glibc
import Testing
import VaultCrypto

struct SecretBytesTests {
    @Test func beginsWithZeros() throws {
        let secret = try SecretBytes(zeroed: 4096)
        #expect(secret.revealed == [UInt8](repeating: 0, count: 4096))
    }

    @Test func takesRandomBytesAnewEachTime() throws {
        let first = try SecretBytes(random: 32)
        let second = try SecretBytes(random: 32)
        let same = first.equals(second)
        #expect(!same)
        #expect(randomBytes(32) != randomBytes(32))
    }

    @Test func copiesIntoMemoryOfItsOwn() throws {
        var original = try SecretBytes(counting(16))
        let copy = try original.copy()
        let part = try original.copy(4..<8)
        original.withUnsafeMutableBytes { $0[5] = 0xFF }
        #expect(copy.revealed == counting(16))
        #expect(part.revealed == [4, 5, 6, 7])
        #expect(original.revealed[5] == 0xFF)
    }

    @Test func holdsNoBytesToo() throws {
        let empty = try SecretBytes([])
        let other = try SecretBytes(zeroed: 0)
        #expect(empty.count == 0)
        let (same, copy) = (empty.equals(other), try empty.copy().revealed)
        #expect(same)
        #expect(copy == [])
    }

    @Test(
        arguments: [
            ([], [], true), ([1], [1], true), ([1], [2], false), ([1], [1, 0], false), ([1, 0], [1], false),
            ([], [0], false),
            ([0, 0, 1], [0, 0, 2], false), ([0x80, 0], [0, 0], false),
        ] as [([UInt8], [UInt8], Bool)]
    )
    func comparesAllBytesAndTheLength(_ left: [UInt8], _ right: [UInt8], _ expected: Bool) throws {
        let first = try SecretBytes(left)
        let second = try SecretBytes(right)
        let same = first.equals(second)
        #expect(same == expected)
        #expect(constantTimeEqual(left, right) == expected)
    }

    @Test func noticesEveryBitThatDiffers() {
        for bit in 0..<256 {
            var other = counting(32)
            other[bit / 8] ^= 1 << (bit % 8)
            #expect(!constantTimeEqual(counting(32), other))
        }
    }

    @Test func givesItsBytesAsASpan() throws {
        let secret = try SecretBytes(counting(5))
        let (count, third) = secret.withBytes { ($0.byteCount, $0.unsafeLoad(fromByteOffset: 3, as: UInt8.self)) }
        #expect(count == 5)
        #expect(third == 3)
    }
}

/// In a process of its own, since other tests hold secrets too.
struct SecretLimitTests {
    @Test func refusesMoreSecretsThanTheLimitAndTakesThemBack() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<2 {
                var held: [SharedSecret] = []
                for _ in 0..<SecretBytes.maximumCount { held.append(SharedSecret(try SecretBytes(zeroed: 1))) }
                let error = #expect(throws: CryptoError.self) { _ = try SecretBytes(zeroed: 1) }
                #expect(error?.code == .memory)
                let again = #expect(throws: CryptoError.self) { _ = try SecretBytes(random: 1) }
                #expect(again?.code == .memory)
                held.removeLast()
                // Refusals took no place of their own.
                held.append(SharedSecret(try SecretBytes(zeroed: 1)))
                #expect(held.count == SecretBytes.maximumCount)
                held.removeAll()
            }
        }
    }

    @Test func countsOnlyWhatIsAlive() async {
        await #expect(processExitsWith: .success) {
            for _ in 0..<3 * SecretBytes.maximumCount {
                let secret = try SecretBytes(counting(8))
                let copy = try secret.copy()
                let same = copy.equals(secret)
                #expect(same)
            }
        }
    }

    /// The guard page behind the bytes: reading on ends the process.
    @Test func endsTheProcessThatReadsBeyondTheBytes() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            let secret = try SecretBytes(zeroed: 4096)
            secret.withUnsafeBytes { bytes in
                if let end = bytes.baseAddress { print((end + 4096).load(as: UInt8.self)) }
            }
        }
    }

    /// What was there is gone from the memory that a next secret gets, or the memory is gone altogether.
    @Test func wipesWhatItGivesBack() async {
        await #expect(processExitsWith: .signal(SIGSEGV)) {
            var address: UnsafeRawPointer?
            do {
                let secret = try SecretBytes([UInt8](repeating: 0xA5, count: 64))
                secret.withUnsafeBytes { address = $0.baseAddress }
            }
            // Unmapped by sodium_free: this read must not succeed, and least of all see the secret.
            #expect(address?.load(as: UInt8.self) == nil)
        }
    }
}

struct SecretBufferTests {
    @Test func growsByAnyPieces() throws {
        for piece in [1, 7, 16, 100, 5000] {
            var buffer = try SecretBuffer(capacity: 16)
            var expected: [UInt8] = []
            for round in 0..<20 {
                let bytes = [UInt8](repeating: UInt8(round), count: piece)
                try buffer.append(bytes)
                expected += bytes
            }
            #expect(buffer.count == expected.count)
            #expect(buffer.revealed == expected)
            let finished = try buffer.finish()
            #expect(finished.revealed == expected)
        }
    }

    @Test func takesBytesInEveryForm() throws {
        var buffer = try SecretBuffer(capacity: 0)
        try buffer.append(UInt8(1))
        try buffer.append([2, 3])
        try buffer.append("ab" as StaticString)
        let secret = try SecretBytes([9])
        try buffer.append(secret)
        try buffer.append([])
        let added = buffer.append(upTo: 100) { target in
            target[0] = 7
            return 1
        }
        #expect(added == 1)
        #expect(buffer.revealed == [1, 2, 3, 97, 98, 9, 7])
    }

    @Test func takesBackTheEnd() throws {
        var buffer = try SecretBuffer(capacity: 16)
        try buffer.append(counting(10))
        buffer.truncate(to: 4)
        try buffer.append([0xFF])
        #expect(buffer.revealed == [0, 1, 2, 3, 0xFF])
        buffer.truncate(to: 0)
        let finished = try buffer.finish()
        #expect(finished.count == 0)
    }

    @Test func finishesWithJustItsBytes() throws {
        for count in [0, 1, 15, 16, 17] {
            var buffer = try SecretBuffer(capacity: 16)
            try buffer.append(counting(count))
            let finished = try buffer.finish()
            #expect(finished.count == count)
        }
    }
}

struct SharedSecretTests {
    private static let canary = "canary-3f9b-not-a-token"

    @Test func showsNothingOfItself() throws {
        let secret = SharedSecret(try SecretBytes(Array(Self.canary.utf8)))
        var dumped = ""
        dump(secret, to: &dumped)
        for shown in [
            dumped, "\(secret)", secret.description, String(reflecting: secret), String(describing: [secret]),
        ] {
            #expect(!shown.contains("canary"))
            // Its bytes as numbers, as a dump of an array would show them.
            #expect(!shown.contains("99"))
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
        #expect(secret.description == "SharedSecret")
    }

    @Test func holdsOneSecretForMany() throws {
        let secret = SharedSecret(try SecretBytes(counting(8)))
        let other = secret
        let first = secret.withSecret { $0.withUnsafeBytes { $0.baseAddress } }
        #expect(first == other.withSecret { $0.withUnsafeBytes { $0.baseAddress } })
        #expect(secret.count == 8)
        #expect(other.withSecret { $0.revealed } == counting(8))
    }

    @Test func errorsNameNoBytes() throws {
        let key = try SecretBytes(Array(repeating: 0x41, count: 32))
        let error = #expect(throws: CryptoError.self) {
            _ = try SecretBox.open([UInt8](repeating: 0x41, count: 50)[...], under: key)
        }
        #expect(error?.description.contains("AAAA") == false)
        #expect(error?.description.contains("65") == false)
    }
}
