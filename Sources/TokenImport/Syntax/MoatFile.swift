internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Where keys of encrypted files are looked for.
struct SourceKeys: Sendable {
    var machine: Machine?
    var keyring = ForeignItems()
}

/// A credential of Moat's: `nonce (12) ‖ AES-256-GCM ciphertext ‖ tag (16)`, without associated data, JSON inside.
enum MoatFile {
    /// What the bytes hold, and the key that opened them.
    ///
    /// Nothing in the bytes says that they are Moat's, so a key that opens them does, or else their place.
    ///
    /// - Throws: `.failed` for a file of Moat's that no key opens, with the reason; `.damaged` for other files.
    static func open(
        _ bytes: SharedSecret,
        at path: TokenPath,
        _ keys: SourceKeys,
        subject: String
    ) throws(VaultError) -> (view: JSONDocument, key: SharedSecret) {
        let found = MoatKey.all(for: path, keys)
        for key in found.keys {
            guard let plain = decrypt(bytes, key) else { continue }
            return (try JSONDocument(plain, subject: subject), key)
        }
        guard isPlace(path, keys.machine) else {
            throw VaultError(
                .damaged,
                "\(subject) is no token file that is known",
                hint: "if it is one, say of which kind with --format",
                underlying: FileVerdict.unknown
            )
        }
        guard !found.keys.isEmpty else {
            throw VaultError(
                .failed,
                "\(subject) is not imported: it is encrypted by Moat, and \(found.reason)",
                underlying: FileVerdict.declined
            )
        }
        throw VaultError(
            .failed,
            "\(subject) is not imported: it is encrypted by Moat, and its key does not open it: "
                + "the file is damaged or was written with another key",
            hint: "moat grant it again, and import that"
        )
    }

    private static func isPlace(_ path: TokenPath, _ machine: Machine?) -> Bool {
        let facts = FormatFacts.of("moat")
        if let machine, facts.places.contains(where: { $0.matches(path.path, on: machine) }) { return true }
        return path.fileName.hasSuffix(".enc")
            && (path.lies(in: "moat", "credentials") || path.isBelow("moat") && path.isBelow("profiles"))
    }

    private static func decrypt(_ bytes: SharedSecret, _ key: SharedSecret) -> SharedSecret? {
        bytes.withBytes { bytes in key.withBytes { key in AuthenticatedBox.open(bytes, under: key) } }
    }

    /// The same with a fresh nonce.
    static func encrypt(_ text: borrowing SecretBytes, _ key: SharedSecret, subject: String) throws(VaultError)
        -> SecretBytes
    {
        let box = text.withUnsafeBytes { text in key.withBytes { key in AuthenticatedBox.seal(text, under: key) } }
        if let box { return box }
        throw VaultError(.failed, "\(subject) cannot be encrypted in memory")
    }
}

/// Edits what is inside and encrypts it again.
struct MoatEditor: SourceEditor {
    let document: JSONDocument
    let key: SharedSecret

    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes {
        let text = try JSONEdit(document: document).removing(members)
        return try MoatFile.encrypt(text, key, subject: document.subject)
    }

    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes {
        let text = try JSONEdit(document: document).replacing(values)
        return try MoatFile.encrypt(text, key, subject: document.subject)
    }
}

/// The key of Moat's files: 32 bytes in base64, in the keyring or in a file of their own.
enum MoatKey {
    /// The keyring's item, whose service Moat lets a variable name.
    static func item(on machine: Machine) -> ForeignItem {
        ForeignItem(service: service(machine) ?? "moat", account: "encryption-key")
    }

    private static func service(_ machine: Machine?) -> String? {
        machine?.variables["MOAT_KEYRING_SERVICE"].flatMap { $0.isEmpty || $0.contains("/") ? nil : $0 }
    }

    /// All keys that can be had, in Moat's order, and why there is none where there is none.
    static func all(for path: TokenPath, _ keys: SourceKeys) -> (keys: [SharedSecret], reason: String) {
        var found: [SharedSecret] = []
        if let machine = keys.machine, let text = keys.keyring.value(item(on: machine)), let key = decoded(text) {
            found.append(key)
        }
        var reason =
            "no key was found (\(keyFiles(path, keys.machine).map(printable).joined(separator: ", ")), the keyring)"
        for file in keyFiles(path, keys.machine) {
            guard let text = try? TokenFile.read(file) else { continue }
            // As Moat itself does: a key that others can read is no key.
            guard !text.status.isWide else {
                reason = "its key \(printable(file)) is readable by others, which Moat refuses too (chmod 600)"
                continue
            }
            if let key = decoded(text.bytes) { found.append(key) } else { reason = "\(printable(file)) holds no key" }
        }
        return (found, reason)
    }

    /// Where a key may lie: beside the directory of credentials, and in the home directory whatever `MOAT_HOME` says.
    static func keyFiles(_ path: TokenPath, _ machine: Machine?) -> [String] {
        let name = (service(machine) ?? "encryption") + ".key"
        var files: [String] = []
        if path.lies(in: "credentials") { files.append(path.ancestor(2) + "/" + name) }
        if path.lies(in: "credentials", "profiles", path.parentName) { files.append(path.ancestor(4) + "/" + name) }
        if let home = machine?.home { files.append("\(home)/.moat/\(name)") }
        return files.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    private static func decoded(_ text: SharedSecret) -> SharedSecret? {
        guard var key = try? SecretBytes(zeroed: 32) else { return nil }
        let sound = text.withBytes { bytes in
            let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 }
            guard let first = bytes.firstIndex(where: { !isSpace($0) }),
                let last = bytes.lastIndex(where: { !isSpace($0) })
            else { return false }
            return key.withUnsafeMutableBytes {
                decode(UnsafeRawBufferPointer(rebasing: bytes[first...last]), into: $0)
            }
        }
        return sound ? SharedSecret(key) : nil
    }

    /// Base64 (RFC 4648 §4) of just as many bytes as fit.
    private static func decode(_ text: UnsafeRawBufferPointer, into key: UnsafeMutableRawBufferPointer) -> Bool {
        guard text.count == 44, text.last == UInt8(ascii: "=") else { return false }
        var (bits, count, written) = (0, 0, 0)
        for symbol in text.dropLast() {
            let value: UInt8
            switch symbol {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = symbol - 65
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = symbol - 71
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = symbol + 4
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            default: return false
            }
            bits = (bits << 6 | Int(value)) & 0xFFFF
            count += 6
            guard count >= 8, written < key.count else { continue }
            count -= 8
            key[written] = UInt8(bits >> count & 0xFF)
            written += 1
        }
        return written == key.count
    }
}
