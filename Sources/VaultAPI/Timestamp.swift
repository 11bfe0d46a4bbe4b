internal import Glibc

/// An instant, with the nanoseconds that some token files carry.
///
/// It shows as RFC 3339 in UTC.
///
/// Foundation's parsers round to microseconds and refuse or misread some of the forms in the wild (token-file dates
/// with nine digits, Go's year 1), so the dozen lines of calendar arithmetic stand here.
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    public let seconds: Int64
    /// 0 to 999,999,999.
    public let nanoseconds: UInt32

    /// The years an RFC 3339 date can have.
    private static let representable = Int64(-62_135_596_800)...Int64(253_402_300_799)

    /// An instant, or `nil` outside the years 1 to 9999.
    public init?(seconds: Int64, nanoseconds: UInt32 = 0) {
        guard Self.representable.contains(seconds), nanoseconds < 1_000_000_000 else { return nil }
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// An instant so many milliseconds after 1970, or `nil` outside the years 1 to 9999.
    public init?(milliseconds: Int64) {
        let (quotient, remainder) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        let (seconds, rest) = remainder < 0 ? (quotient - 1, remainder + 1000) : (quotient, remainder)
        self.init(seconds: seconds, nanoseconds: UInt32(rest) * 1_000_000)
    }

    /// Reads an RFC 3339 date and time with `Z` or an offset and any number of fraction digits, of which nine count.
    ///
    /// A date without an offset is no instant and gives `nil`, unless `assumingUTC` says that its format means UTC.
    public init?(rfc3339 text: String, assumingUTC: Bool = false) {
        var scanner = DigitScanner(text)
        guard let year = scanner.digits(4), scanner.skip("-"), let month = scanner.digits(2), scanner.skip("-"),
            let day = scanner.digits(2), scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let hour = scanner.digits(2), scanner.skip(":"), let minute = scanner.digits(2), scanner.skip(":"),
            let second = scanner.digits(2), (1...12).contains(month), year >= 1,
            (1...Self.days(in: month, of: year)).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var nanoseconds: UInt32 = 0
        if scanner.skip(".") || scanner.skip(",") {
            guard let fraction = scanner.fraction() else { return nil }
            nanoseconds = fraction
        }
        let offset: Int64
        if scanner.skip("Z") || scanner.skip("z") || scanner.skip("UTC") {
            offset = 0
        } else if let sign = scanner.skip("+") ? 1 : (scanner.skip("-") ? -1 : nil) {
            guard let hours = scanner.digits(2), scanner.skip(":"), let minutes = scanner.digits(2), hours < 24,
                minutes < 60
            else { return nil }
            offset = Int64(sign) * (hours * 3600 + minutes * 60)
        } else {
            guard assumingUTC else { return nil }
            offset = 0
        }
        guard scanner.isAtEnd else { return nil }
        let time = hour * 3600 + minute * 60 + second
        self.init(seconds: Self.dayNumber(year, month, day) * 86_400 + time - offset, nanoseconds: nanoseconds)
    }

    /// RFC 3339 in UTC, with as many fraction digits as are not zero.
    public var description: String {
        let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let time = seconds - day * 86_400
        let (year, month, date) = Self.civil(day)
        var text = "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(date, 2))"
        text += "T\(Self.padded(time / 3600, 2)):\(Self.padded(time / 60 % 60, 2)):\(Self.padded(time % 60, 2))"
        if nanoseconds > 0 {
            var fraction = Self.padded(Int64(nanoseconds), 9)
            while fraction.hasSuffix("0") { fraction.removeLast() }
            text += "." + fraction
        }
        return text + "Z"
    }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    private static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar, for years from 1.
    private static func dayNumber(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        // Counting years from March puts the leap day last, so that month lengths follow one formula.
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(_ day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * index + 2) / 5 + 1)
    }
}

/// Reads the fixed-width numbers of a date.
private struct DigitScanner {
    private var rest: Substring.UTF8View

    init(_ text: String) { rest = Substring(text).utf8 }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func digits(_ count: Int) -> Int64? {
        guard rest.count >= count else { return nil }
        var value: Int64 = 0
        for byte in rest.prefix(count) {
            guard let digit = Self.digit(byte) else { return nil }
            value = value * 10 + digit
        }
        rest = rest.dropFirst(count)
        return value
    }

    /// One or more digits as nanoseconds; those after the ninth are dropped.
    mutating func fraction() -> UInt32? {
        var value: Int64 = 0
        var count = 0
        while let byte = rest.first, let digit = Self.digit(byte) {
            if count < 9 { value = value * 10 + digit }
            count += 1
            rest = rest.dropFirst()
        }
        guard count > 0 else { return nil }
        for _ in 0..<max(0, 9 - count) { value *= 10 }
        return UInt32(value)
    }

    mutating func skip(_ text: String) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest = rest.dropFirst(text.utf8.count)
        return true
    }

    private static func digit(_ byte: UInt8) -> Int64? {
        byte >= 48 && byte <= 57 ? Int64(byte - 48) : nil
    }
}

extension Timestamp {
    /// The system's time of day, to the millisecond.
    public static var systemNow: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        let nanoseconds = UInt32(time.tv_nsec) / 1_000_000 * 1_000_000
        guard let now = Timestamp(seconds: Int64(time.tv_sec), nanoseconds: nanoseconds) else {
            preconditionFailure("VaultCore: the system's clock is not within the years 1 to 9999")
        }
        return now
    }
}
