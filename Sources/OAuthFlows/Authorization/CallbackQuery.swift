/// The parameters of an authorization response (RFC 6749 §4.1.2), read strictly.
///
/// Whatever can reach a loopback port can write one, so nothing in it is repaired, and nothing of it is shown before
/// its `state` has been found right.
struct CallbackQuery: Sendable {
    private let values: [String: String]

    /// Longer than any response; a query beyond it is none.
    static let maximumBytes = 16 * 1024

    /// Takes apart what stands after the question mark.
    ///
    /// - Returns: `nil` where it is too long, ill-formed, or names a parameter twice.
    init?(_ query: some StringProtocol) {
        let bytes = Array(query.utf8)
        guard bytes.count <= Self.maximumBytes else { return nil }
        var values: [String: String] = [:]
        for pair in bytes.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(parts[0]), let value = Self.decode(parts.count > 1 ? parts[1] : []),
                // RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
                values.updateValue(value, forKey: name) == nil
            else { return nil }
        }
        self.values = values
    }

    /// The value; RFC 6749 §3.1: "Parameters sent without a value MUST be treated as if they were omitted".
    subscript(_ name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// `application/x-www-form-urlencoded` (RFC 6749 appendix B), of visible ASCII that stands for UTF-8.
    ///
    /// What each value may hold is the judge's affair: a refusal counts whatever its description holds.
    private static func decode(_ text: some Collection<UInt8>) -> String? {
        var decoded: [UInt8] = []
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                decoded.append(high << 4 | low)
            case 0x21...0x7E: decoded.append(byte)
            default: return nil
            }
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
