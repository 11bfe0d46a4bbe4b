import Testing
import VaultCrypto

/// Published vectors, and what other implementations (CPython's hashlib, the Argon2 reference) make of the same input.
struct KnownAnswerTests {
    // "Cryptography in NaCl", and libsodium's `secretbox` test. 16 zero bytes longer there, on both sides.
    private static let box = (
        key: "1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389",
        nonce: "69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37",
        plain:
            "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a"
            + "1ac728d45e6c61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057"
            + "e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040"
            + "e082f937763848645e0705",
        sealed:
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4"
            + "476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738"
            + "b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de"
            + "56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
    )

    @Test func opensTheBoxOfNaCl() throws {
        let key = try SecretBytes(try hex(Self.box.key))
        let sealed = try hex(Self.box.nonce + Self.box.sealed)
        let plain = try hex(Self.box.plain)
        let opened = try SecretBox.open(sealed[...], under: key)
        #expect(opened.revealed == plain)
        #expect(try SecretBox.openPublic(sealed[...], under: key) == plain)
        // A slice that does not begin at 0 is read from its own beginning.
        #expect(try SecretBox.openPublic(([0, 1, 2] + sealed)[3...], under: key) == plain)
    }

    @Test(arguments: [
        (0, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"),
        (
            0, 64,
            "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
                + "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce"
        ),
    ])
    func hashesNothingWithBLAKE2b(_ input: Int, _ length: Int, _ expected: String) throws {
        #expect(Blake2b(length: length).finish() == (try hex(expected)))
    }

    /// RFC 7693, appendix A.
    @Test func hashesAbcWithBLAKE2b() throws {
        var hash = Blake2b(length: 64)
        hash.update("abc")
        let expected =
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            + "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
        #expect(hash.finish() == (try hex(expected)))
    }

    /// `blake2b-kat.txt` of the BLAKE2 reference: key and input count up from 0.
    @Test(arguments: [
        (
            0,
            "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
                + "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568"
        ),
        (
            1,
            "961f6dd1e4dd30f63901690c512e78e4b45e4742ed197c3c5e45c549fd25f2e4"
                + "187b0bc9fe30492b16b0d0bc4ef9b0f34c7003fac09a5ef1532e69430234cebd"
        ),
        (
            255,
            "142709d62e28fcccd0af97fad0f8465b971e82201dc51070faa0372aa43e9248"
                + "4be1c1e73ba10906d5d1853db6a4106e0a7bf9800d373d6dee2d46d62ef2a461"
        ),
    ])
    func hashesUnderAKeyWithBLAKE2b(_ count: Int, _ expected: String) throws {
        let key = try SecretBytes(counting(64))
        var hash = Blake2b(key: key, length: 64)
        hash.update(counting(count))
        let secret = try hash.finishSecret()
        #expect(secret.revealed == (try hex(expected)))
    }

    @Test func hashesPiecesAsTheWhole() throws {
        let key = try SecretBytes(counting(32))
        let expected = try hex("138893f1631ef3165629515d6ed800da3771b7926dced294205c7507351deebc")
        for cut in [0, 1, 64, 127, 128] {
            var hash = Blake2b(key: key)
            let tail = try SecretBytes(Array(counting(128)[cut...]))
            hash.update(Array(counting(128)[..<cut]))
            hash.update(tail)
            #expect(hash.finish() == expected)
        }
    }

    // libsodium's `kdf` test: the master key counts up from 0. The 32-byte answers are hashlib's, since BLAKE2b with
    // salt and personalisation is all that crypto_kdf is.
    @Test(arguments: [
        (0, "c13fcc2e6cd0cd0f82d93b163a5696c5105378f8c629d36baf3ae0239de9c280"),
        (1, "13fea52bb8cba063f3ed93de27ed07e06d8c6367474e6ae4c9282913ac3c3a03"),
        (2, "b04ad81b5f8799b9a14350510ab97cd01a7349c9f286936edc0944e8905014ab"),
        (UInt64.max, "500c3043b2b9177ec843ecbe9f98f92d8c11fbbd10a225ab844548de89c21d55"),
    ])
    func derivesSubkeys(_ id: UInt64, _ expected: String) throws {
        let master = try SecretBytes(counting(32))
        let derived = try subkey(of: master, id: id, context: "KDF test")
        #expect(derived.revealed == (try hex(expected)))
    }

    @Test func derivesAnotherSubkeyForEachContext() throws {
        let master = try SecretBytes(counting(32))
        let entries = try subkey(of: master, id: 1, context: "vltentry")
        #expect(entries.revealed == (try hex("757e70305fba9757b23cd9584e4ad28b81c815e3d8ff977a265f4779dc14036e")))
    }

    /// The Argon2 reference (argon2-cffi), version 0x13, one lane.
    @Test(
        arguments: [
            (
                "password", "736f6d6573616c74736f6d6573616c74", 1, 8,
                "05b6ca8f8038b683887ad4916533858b49cb52040126c134f4c6e9d8711b8c09"
            ),
            (
                "password", "736f6d6573616c74736f6d6573616c74", 2, 64,
                "1a98fba8e6394425c9bdc333a9c750aaf811df070f5fb4a5788e1cf4db5793a1"
            ),
            (
                "", "00000000000000000000000000000000", 1, 8,
                "cfa0d2d242da6703d311d7eefc922e39cc60c9f4ec93a67d20995be541a06be4"
            ),
            (
                "pass\0word", "000102030405060708090a0b0c0d0e0f", 3, 1024,
                "f0269004f5e25bd40561a967c6dfb23a02eaaf4fddf62e0401188f8b2e7bfd4e"
            ),
            (
                "password", "736f6d6573616c74736f6d6573616c74", 2, 65_536,
                "fc33b78139231d34b71626bd6245c1d72efa190ad605c3d8166a72adcedfa2c2"
            ),
        ] as [(String, String, UInt32, UInt64, String)]
    )
    func derivesKeysWithArgon2id(
        _ passphrase: String,
        _ salt: String,
        _ passes: UInt32,
        _ kibibytes: UInt64,
        _ expected: String
    ) throws {
        let secret = try SecretBytes(Array(passphrase.utf8))
        let hash = PasswordHash(passes: passes, memoryBytes: kibibytes << 10)
        let derived = try hash.derive(from: secret, salt: try hex(salt))
        #expect(derived.revealed == (try hex(expected)))
    }

    /// FIPS 180-4, as NIST's examples have it.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func hashesWithSHA256(_ input: String, _ expected: String) throws {
        #expect(Array(input.utf8).withUnsafeBytes { sha256($0) } == (try hex(expected)))
    }
}

struct PasswordHashTests {
    @Test(
        arguments: [
            (0, 8192), (1, 0), (1, 8191), (1, UInt64.max), (1, UInt64(Int64.max) + 1),
        ] as [(UInt32, UInt64)]
    )
    func refusesParametersOutOfRange(_ passes: UInt32, _ memory: UInt64) throws {
        let secret = try SecretBytes(counting(4))
        #expect(
            cryptoFailure {
                _ = try PasswordHash(passes: passes, memoryBytes: memory).derive(from: secret, salt: counting(16))
            } == .parameters
        )
    }

    @Test(arguments: [0, 8, 15, 17, 32])
    func refusesASaltOfAnotherLength(_ length: Int) throws {
        let secret = try SecretBytes(counting(4))
        #expect(
            cryptoFailure {
                _ = try PasswordHash(passes: 1, memoryBytes: 8192).derive(from: secret, salt: counting(length))
            } == .parameters
        )
    }

    @Test func namesTheLimitsOfLibsodium() {
        #expect(PasswordHash.interactive == PasswordHash(passes: 2, memoryBytes: 67_108_864))
        #expect(PasswordHash.moderate == PasswordHash(passes: 3, memoryBytes: 268_435_456))
        #expect(PasswordHash.sensitive == PasswordHash(passes: 4, memoryBytes: 1_073_741_824))
    }
}
