internal import StrictJSON
internal import VaultAPI

/// How a format writes an instant.
enum TimeForm: Hashable, Sendable {
    /// A number of seconds since 1970.
    case seconds
    /// The same in quotes.
    case quotedSeconds
    /// A number of milliseconds since 1970.
    case milliseconds
    /// RFC 3339 with a zone.
    case rfc3339
    /// A date and time without a zone that means UTC.
    case utc
    /// A date and time without a zone that means the zone of the machine it was written on.
    case local

    /// The unit of a number whose format states none.
    init(byMagnitude text: String) {
        self = DecimalTime.unitByMagnitude(text) == .seconds ? .seconds : .milliseconds
    }
}

/// A time in a file that changes with the access token: what a refreshed grant must have rewritten.
struct FoundTime {
    /// What it says.
    enum Meaning: Hashable, Sendable {
        /// Until when the access token is valid.
        case expiry
        /// When it was issued.
        case issued
    }

    let value: JSONValue
    let form: TimeForm
    let meaning: Meaning
}

extension FoundGrant {
    /// Takes the expiry from a member that holds it in this form.
    ///
    /// Absent, null, empty and 0 are unknown: no tool that writes one of them means 1970. A format in which one of them
    /// means something else says so itself, afterwards.
    ///
    /// - Throws: `.damaged` if it is of another type, or no year up to 9999.
    mutating func expires(_ name: String, of container: JSONValue, as form: TimeForm) throws(VaultError) {
        summary.expiry = try time(name, of: container, as: form, .expiry).map { .known($0) } ?? .unknown
    }

    /// Takes the time of issue from a member that holds it in this form.
    mutating func issued(_ name: String, of container: JSONValue, as form: TimeForm) throws(VaultError) {
        summary.issuedAt = try time(name, of: container, as: form, .issued) ?? summary.issuedAt
    }

    private mutating func time(
        _ name: String,
        of container: JSONValue,
        as form: TimeForm,
        _ meaning: FoundTime.Meaning
    ) throws(VaultError) -> Timestamp? {
        guard let value = container[name], value.kind != .null else { return nil }
        guard let instant = try value.instant(as: form) else { return nil }
        times.append(FoundTime(value: value, form: form, meaning: meaning))
        return instant
    }
}

extension JSONValue {
    /// The instant here; `nil` where the value is 0 or empty.
    func instant(as form: TimeForm) throws(VaultError) -> Timestamp? {
        switch form {
        case .seconds, .milliseconds:
            guard kind == .number else { throw mismatch(expected: "a number") }
            return try instant(numberText, in: form == .seconds ? .seconds : .milliseconds)
        case .quotedSeconds:
            guard let text = try fact() else { return nil }
            guard text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 || $0 == UInt8(ascii: ".") }) else {
                throw VaultError(.damaged, "\(subject) is a text of \(text.utf8.count) bytes, expected a number")
            }
            return try instant(text, in: .seconds)
        case .rfc3339, .utc, .local:
            guard let text = try fact() else { return nil }
            let read = form == .local ? LocalTime.instant(text) : Timestamp(rfc3339: text, assumingUTC: form == .utc)
            guard let read else { throw noInstant(text) }
            return read
        }
    }

    private func instant(_ text: String, in unit: DecimalTime.Unit) throws(VaultError) -> Timestamp? {
        if DecimalTime.isZero(text) { return nil }
        guard let instant = DecimalTime.instant(text, unit) else {
            throw VaultError(.damaged, "\(subject) is out of range: no time before the year 10000")
        }
        return instant
    }

    /// The error for a text that is no instant.
    ///
    /// An expiry is no secret, but what stands in its place might be.
    func noInstant(_ text: String) -> VaultError {
        VaultError(.damaged, "\(subject) is a text of \(text.utf8.count) bytes, expected a date and time with a zone")
    }
}
