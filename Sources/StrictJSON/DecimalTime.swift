package import VaultAPI

/// Reads an instant from the text of a JSON number.
///
/// From the text, because `Double` gives 1893456000.123456789 other nanoseconds than the file, and because 10^400 is a
/// number of JSON that no machine type holds: it is out of range here, not a trap.
package enum DecimalTime {
    /// What the number counts since 1970.
    package enum Unit: Int {
        case seconds = 9
        case milliseconds = 6
    }

    /// The instant, or `nil` outside the years 1 to 9999.
    package static func instant(_ text: String, _ unit: Unit) -> Timestamp? {
        guard let nanoseconds = scaled(text, by: unit.rawValue) else { return nil }
        let second: Int128 = 1_000_000_000
        var seconds = nanoseconds / second
        var rest = nanoseconds % second
        if rest < 0 { (seconds, rest) = (seconds - 1, rest + second) }
        guard let seconds = Int64(exactly: seconds), let rest = UInt32(exactly: rest) else { return nil }
        return Timestamp(seconds: seconds, nanoseconds: rest)
    }

    /// Seconds below 10^11 (the year 5138), milliseconds from there: for files whose format states no unit.
    package static func unitByMagnitude(_ text: String) -> Unit {
        guard let value = scaled(text, by: 0) else { return .milliseconds }
        return value < 100_000_000_000 ? .seconds : .milliseconds
    }

    /// Whether the number is zero, in whatever spelling.
    package static func isZero(_ text: String) -> Bool {
        let mantissa = text.prefix { $0 != "e" && $0 != "E" }
        return !mantissa.contains { $0 >= "1" && $0 <= "9" }
    }

    /// The number times 10^power, cut to an integer; `nil` where it has more than 30 digits.
    private static func scaled(_ text: String, by power: Int) -> Int128? {
        var digits: [UInt8] = []
        var exponent = power
        var rest = Substring(text).utf8
        let negative = rest.first == UInt8(ascii: "-")
        if negative { rest.removeFirst() }
        var inFraction = false
        while let byte = rest.first {
            rest.removeFirst()
            if byte == UInt8(ascii: ".") {
                inFraction = true
            } else if byte >= 48, byte <= 57 {
                if !digits.isEmpty || byte != 48 { digits.append(byte - 48) }
                if inFraction { exponent -= 1 }
            } else {
                break
            }
        }
        guard !digits.isEmpty else { return 0 }
        if !rest.isEmpty {
            if rest.first == UInt8(ascii: "+") { rest.removeFirst() }
            guard let written = Int(Substring(rest)), written.magnitude < 1_000_000 else { return nil }
            exponent += written
        }
        let count = digits.count + exponent
        guard count <= 30 else { return nil }
        guard count > 0 else { return 0 }
        var value: Int128 = 0
        for index in 0..<count { value = value * 10 + Int128(index < digits.count ? digits[index] : 0) }
        return negative ? -value : value
    }
}
