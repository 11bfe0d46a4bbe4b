internal import StrictJSON
internal import VaultAPI

extension TimeForm {
    /// An instant as it would stand in the place of `old`: the same unit, fraction digits, separator and zone.
    ///
    /// What does not fit into the digits is dropped and not rounded: an access token that is said to end a little early
    /// is refreshed a little early.
    func text(for instant: Timestamp, like old: String) -> String {
        switch self {
        case .seconds, .quotedSeconds:
            let fraction = Self.fraction(Self.padded(Int64(instant.nanoseconds), 9), like: old)
            return String(instant.seconds) + fraction
        case .milliseconds:
            let whole = instant.seconds * 1000 + Int64(instant.nanoseconds / 1_000_000)
            return String(whole) + Self.fraction(Self.padded(Int64(instant.nanoseconds % 1_000_000), 6), like: old)
        case .rfc3339, .utc, .local: return date(instant, like: Array(old.utf8))
        }
    }

    private func date(_ instant: Timestamp, like old: [UInt8]) -> String {
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        var rest = old.dropFirst(19)
        var fraction = ""
        if let mark = rest.first, mark == UInt8(ascii: ".") || mark == UInt8(ascii: ",") {
            let count = rest.dropFirst().prefix { digits.contains($0) }.count
            let all = Self.padded(Int64(instant.nanoseconds), 9) + String(repeating: "0", count: max(0, count - 9))
            fraction = (mark == UInt8(ascii: ".") ? "." : ",") + all.prefix(count)
            rest = rest.dropFirst(count + 1)
        }
        let zone = String(decoding: rest, as: UTF8.self)
        let shown: String
        if self == .local {
            shown = LocalTime.text(instant)
        } else {
            shown = Timestamp(seconds: instant.seconds + Self.offset(zone))?.description ?? instant.description
        }
        let separator = old.count > 10 ? String(decoding: [old[10]], as: UTF8.self) : "T"
        return "\(shown.prefix(10))\(separator)\(shown.dropFirst(11).prefix(8))\(fraction)\(zone)"
    }

    /// The seconds of `+02:00`; 0 for a zone without a sign.
    private static func offset(_ zone: String) -> Int64 {
        let parts = zone.dropFirst().split(separator: ":").compactMap { Int64($0) }
        guard parts.count == 2, let sign = zone.first, sign == "+" || sign == "-" else { return 0 }
        return (sign == "-" ? -1 : 1) * (parts[0] * 3600 + parts[1] * 60)
    }

    /// As many digits behind the point as an old number has; none where it has an exponent.
    private static func fraction(_ digits: String, like old: String) -> String {
        guard let point = old.firstIndex(of: "."), !old.contains(where: { $0 == "e" || $0 == "E" }) else { return "" }
        let count = old.distance(from: point, to: old.endIndex) - 1
        return "." + (digits + String(repeating: "0", count: max(0, count - digits.count))).prefix(count)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
