internal import StrictJSON
internal import VaultAPI
internal import VaultCore

extension JSONValue {
    /// The expiry in a member that holds a number of that unit.
    ///
    /// Absent, null and 0 are unknown: no tool that writes one of the three means 1970.
    ///
    /// - Throws: `.damaged` if it is of another type or no year up to 9999.
    func expiry(_ name: String, in unit: DecimalTime.Unit) throws(VaultError) -> Expiry {
        guard let value = self[name], value.kind != .null else { return .unknown }
        guard value.kind == .number else { throw value.mismatch(expected: "a number") }
        return try value.expiry(in: unit)
    }

    /// The expiry in a member that holds a date and time (RFC 3339).
    ///
    /// Absent and null are unknown.
    func expiry(rfc3339 name: String, assumingUTC: Bool = false) throws(VaultError) -> Expiry {
        guard let value = self[name], value.kind != .null else { return .unknown }
        guard let text = try value.fact() else { return .unknown }
        guard let instant = Timestamp(rfc3339: text, assumingUTC: assumingUTC) else {
            throw value.noInstant(text)
        }
        return .known(instant)
    }

    /// The error for a text that is no instant.
    ///
    /// An expiry is no secret, but what stands in its place might be.
    func noInstant(_ text: String) -> VaultError {
        VaultError(.damaged, "\(subject) is a text of \(text.utf8.count) bytes, expected a date and time with a zone")
    }

    /// The expiry in this number.
    func expiry(in unit: DecimalTime.Unit) throws(VaultError) -> Expiry {
        if DecimalTime.isZero(numberText) { return .unknown }
        guard let instant = DecimalTime.instant(numberText, unit) else {
            throw VaultError(.damaged, "\(subject) is out of range: no time before the year 10000")
        }
        return .known(instant)
    }
}
