internal import Glibc
internal import VaultAPI

/// Dates and times without a zone, as they read on this machine's clock.
///
/// A file that was written in another zone says another instant here, and in the hour that a clock goes back two
/// instants read the same: the later one is no safe guess, so the earlier is taken.
enum LocalTime {
    /// The instant of `2030-01-01T01:02:03.456789` here.
    static func instant(_ text: String) -> Timestamp? {
        guard let asUTC = Timestamp(rfc3339: text, assumingUTC: true),
            Timestamp(rfc3339: text) == nil
        else { return nil }
        var read = tm()
        var seconds = time_t(asUTC.seconds)
        gmtime_r(&seconds, &read)
        let candidates = [Int32(1), 0].compactMap { daylight -> Int64? in
            var fields = read
            fields.tm_isdst = daylight
            let instant = mktime(&fields)
            // Where the clock never showed that hour, mktime moves it; what it moved is no reading of the text.
            return fields.tm_hour == read.tm_hour && fields.tm_isdst == daylight ? Int64(instant) : nil
        }
        guard let earliest = candidates.min() else { return nil }
        return Timestamp(seconds: earliest, nanoseconds: asUTC.nanoseconds)
    }

    /// How an instant reads here, without fraction and zone: `2030-01-01T01:02:03`.
    static func text(_ instant: Timestamp) -> String {
        var seconds = time_t(instant.seconds)
        var fields = tm()
        localtime_r(&seconds, &fields)
        let local = Timestamp(seconds: instant.seconds + Int64(fields.tm_gmtoff))
        return String((local?.description ?? "").prefix(19))
    }
}
