internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// What git asks: lines of `key=value` up to an empty one or the end (git-credential(1), INPUT/OUTPUT FORMAT).
///
/// A line break of another system in a value is how one host's answer was read as another's (CVE-2024-50338,
/// CVE-2024-52006): a value with a control character is no value, and the whole request is refused.
struct GitAttributes {
    private var values: [String: String] = [:]

    private static let longest = 64 * 1024
    /// Those that stand for one thing each; a second one of them would make this program and git disagree.
    private static let single: Set<String> = [
        "protocol", "host", "path", "username", "password", "password_expiry_utc", "url",
    ]

    /// Reads them from a descriptor.
    ///
    /// - Throws: `.usage` for more than 64 KiB, `.unsafe` for what is no sound line.
    static func read(_ descriptor: Int32) throws(VaultError) -> GitAttributes {
        let text = try SecretInput.readAll(descriptor, limit: longest, "the request")
        return try text.withUnsafeBytes { (bytes) throws(VaultError) in try GitAttributes(bytes) }
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(VaultError) {
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if line.isEmpty { return }
            guard let equals = line.firstIndex(of: UInt8(ascii: "=")), equals > line.startIndex,
                let key = String(validating: line[..<equals], as: UTF8.self),
                let value = String(validating: line[(equals + 1)...], as: UTF8.self)
            else { throw Self.refusal("a line of it is no key=value in UTF-8") }
            guard key.unicodeScalars.allSatisfy(Diagnostics.isPrintable) else {
                throw Self.refusal("a key holds a control character")
            }
            // A server's challenge may hold a tab; nothing here reads it.
            let isSound = value.unicodeScalars.allSatisfy {
                Diagnostics.isPrintable($0) || (key == "wwwauth[]" && $0 == "\t")
            }
            guard isSound else { throw Self.refusal("its \(key) holds a control character") }
            guard Self.single.contains(key) else { continue }
            guard values.updateValue(value, forKey: key) == nil else {
                throw Self.refusal("it has more than one \(key)")
            }
        }
    }

    private static func refusal(_ reason: String) -> VaultError {
        VaultError(.unsafe, "the request for a credential is refused: \(reason)")
    }

    /// The value of that key, where it is there and not empty.
    subscript(key: String) -> String? { values[key].flatMap { $0.isEmpty ? nil : $0 } }
}
