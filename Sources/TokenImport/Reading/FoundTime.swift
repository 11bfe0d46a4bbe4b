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
    /// Absent, null and empty are unknown, and so are 0 and Go's zero time where the format does not say that they mean
    /// "never": no tool that writes one of them means 1970, or the year 1.
    ///
    /// - Throws: `.damaged` if it is of another type, or no year up to 9999.
    mutating func expires(
        _ name: String,
        of container: JSONValue,
        as form: TimeForm,
        zero: Expiry = .unknown
    ) throws(VaultError) {
        if let instant = try time(name, of: container, as: form, .expiry) {
            summary.expiry = .known(instant)
        } else {
            summary.expiry = try container.first(of: [name])?.isZeroTime(as: form) ?? false ? zero : .unknown
        }
    }

    /// Takes the expiry from a number of seconds that begin when the token was issued.
    ///
    /// Without its beginning it says nothing; and a lifetime that is none, or ends after the year 9999, is not one.
    mutating func expires(after lifetime: JSONValue) {
        guard let issued = summary.issuedAt else {
            notes.append("the file says how long the token lives but not since when: its expiry is unknown")
            return
        }
        guard let seconds = Int64(lifetime.numberText), seconds > 0 else { return }
        let (end, overflow) = issued.seconds.addingReportingOverflow(seconds)
        if !overflow, let expiry = Timestamp(seconds: end, nanoseconds: issued.nanoseconds) {
            summary.expiry = .known(expiry)
        }
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
        let instant = try value.instant(as: form)
        let isToBeWritten = if instant == nil { try isToBeFilled(value, form) } else { true }
        if isToBeWritten {
            times.append(FoundTime(value: value, form: form, meaning: meaning))
        }
        return instant
    }

    /// Whether the next access token's time has to stand where this one has none.
    ///
    /// Beside a token that does end, a time that says "never" would keep its owner from ever refreshing it. A key is
    /// not refreshed and says "never" in earnest; and a zero time without a zone does not tell in which to write.
    private func isToBeFilled(_ value: JSONValue, _ form: TimeForm) throws(VaultError) -> Bool {
        guard summary.name.kind == .oauth, try value.isZeroTime(as: form) else { return false }
        guard form == .rfc3339 else { return true }
        return try value.fact().flatMap { Timestamp(rfc3339: $0) } != nil
    }
}

extension JSONValue {
    /// Whether this is what tools write where they have no time: 0, or Go's zero time.
    ///
    /// That is told by its text: calendars disagree about the year 1.
    func isZeroTime(as form: TimeForm) throws(VaultError) -> Bool {
        switch form {
        case .seconds, .milliseconds: kind == .number && DecimalTime.isZero(numberText)
        case .quotedSeconds: try fact().map { $0.utf8.allSatisfy(isDigitOrPoint) && DecimalTime.isZero($0) } ?? false
        case .rfc3339: try fact()?.hasPrefix("0001-01-01T00:00:00") ?? false
        case .utc, .local: false
        }
    }

    /// The instant here; `nil` where the value is empty, 0 or Go's zero time.
    func instant(as form: TimeForm) throws(VaultError) -> Timestamp? {
        if try isZeroTime(as: form) { return nil }
        switch form {
        case .seconds, .milliseconds:
            guard kind == .number else { throw mismatch(expected: "a number") }
            return try instant(numberText, in: form == .seconds ? .seconds : .milliseconds)
        case .quotedSeconds:
            guard let text = try fact() else { return nil }
            guard text.utf8.allSatisfy(isDigitOrPoint) else {
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

private func isDigitOrPoint(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 || byte == UInt8(ascii: ".") }
