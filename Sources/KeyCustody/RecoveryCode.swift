public import VaultCrypto

/// A code on paper that opens a vault when every other key is lost.
///
/// 26 characters of Crockford's base32 (130 random bits) and 4 of checksum, in groups of five:
/// `XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX`. It is random, so it needs no Argon2id. Reading it back forgives case,
/// hyphens, spaces, O for 0, and I or L for 1.
public struct RecoveryCode: ~Copyable, Sendable {
    private static let randomSymbols = 26
    private static let checkSymbols = 4
    private static let groupLength = 5
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// The 26 symbols, each 0 to 31.
    private let symbols: SecretBytes

    /// A new code.
    public init() throws(CryptoError) {
        var symbols = try SecretBytes(random: Self.randomSymbols)
        // The low five bits of a random byte are as random as a symbol needs.
        symbols.withUnsafeMutableBytes { bytes in
            for index in bytes.indices { bytes[index] &= 31 }
        }
        self.symbols = symbols
    }

    /// Reads a code that somebody typed; `nil` if it is none, or a character is wrong.
    public init?(typed: borrowing SecretBytes) throws(CryptoError) {
        var all = try SecretBytes(zeroed: Self.randomSymbols + Self.checkSymbols)
        let complete = typed.withUnsafeBytes { typed in
            all.withUnsafeMutableBytes { all in
                var count = 0
                for byte in typed {
                    if byte == UInt8(ascii: "-") || byte == 32 || (9...13).contains(byte) { continue }
                    guard let symbol = Self.symbol(byte), count < all.count else { return false }
                    all[count] = symbol
                    count += 1
                }
                return count == all.count
            }
        }
        guard complete else { return nil }
        let symbols = try all.copy(0..<Self.randomSymbols)
        let check = Self.check(symbols)
        guard all.withUnsafeBytes({ constantTimeEqual(Array($0[Self.randomSymbols...]), check) }) else { return nil }
        self.symbols = symbols
    }

    /// The code as it is shown: upper case, in groups.
    public borrowing func text() throws(CryptoError) -> SecretBytes {
        var buffer = try SecretBuffer(capacity: 64)
        let check = Self.check(symbols)
        try symbols.withUnsafeBytes { (symbols) throws(CryptoError) -> Void in
            for index in 0..<Self.randomSymbols + Self.checkSymbols {
                if index > 0, index % Self.groupLength == 0 { try buffer.append(UInt8(ascii: "-")) }
                let symbol = index < symbols.count ? symbols[index] : check[index - symbols.count]
                try buffer.append(Self.alphabet[Int(symbol)])
            }
        }
        return try buffer.finish()
    }

    /// The slot's root.
    public borrowing func root() throws(CryptoError) -> SharedSecret {
        var hash = Blake2b()
        hash.update("vault recovery code 1")
        hash.update(symbols)
        return SharedSecret(try hash.finishSecret())
    }

    /// 20 bits: one typing error in a million passes, and then the slot does not open.
    private static func check(_ symbols: borrowing SecretBytes) -> [UInt8] {
        var hash = Blake2b()
        hash.update("vault recovery check")
        hash.update(symbols)
        return hash.finish().prefix(checkSymbols).map { $0 & 31 }
    }

    private static func symbol(_ byte: UInt8) -> UInt8? {
        var upper = byte
        if (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) { upper -= 32 }
        switch upper {
        case UInt8(ascii: "O"): upper = UInt8(ascii: "0")
        case UInt8(ascii: "I"), UInt8(ascii: "L"): upper = UInt8(ascii: "1")
        default: break
        }
        return alphabet.firstIndex(of: upper).map(UInt8.init)
    }
}

/// Opens with a recovery code.
public struct RecoveryCodeCustodian: KeyCustodian {
    private let read: @Sendable () async throws(CustodyError) -> SharedSecret
    private let show: @Sendable (SharedSecret) async throws(CustodyError) -> Void

    /// A custodian that reads a typed code with `read`, and hands a new one to `show`, which returns only when the
    /// code is safe with its owner: typed back, or written to a file of its own.
    public init(
        reading read: @escaping @Sendable () async throws(CustodyError) -> SharedSecret,
        showing show: @escaping @Sendable (SharedSecret) async throws(CustodyError) -> Void
    ) {
        self.read = read
        self.show = show
    }

    /// Makes a code and shows it.
    public func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        let text: SharedSecret
        let root: SharedSecret
        do throws(CryptoError) {
            let code = try RecoveryCode()
            text = SharedSecret(try code.text())
            root = try code.root()
        } catch {
            throw CustodyError(.unavailable, error.message, underlying: error)
        }
        try await show(text)
        return root
    }

    /// The root of the code that is typed.
    public func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
        guard let root = try Self.root(ofTyped: try await read()) else {
            throw CustodyError(
                .malformed,
                "that is no recovery code: a character is wrong, or some are missing",
                hint: "it has 30 letters and digits, in six groups of five"
            )
        }
        return [root]
    }

    /// The root, if what was typed is a recovery code.
    public static func root(ofTyped typed: SharedSecret) throws(CustodyError) -> SharedSecret? {
        do throws(CryptoError) {
            return try typed.withSecret { (secret) throws(CryptoError) -> SharedSecret? in
                guard let code = try RecoveryCode(typed: secret) else { return nil }
                return try code.root()
            }
        } catch {
            throw CustodyError(.unavailable, error.message, underlying: error)
        }
    }
}
