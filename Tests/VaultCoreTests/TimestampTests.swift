import Testing
import VaultAPI
import VaultCore

struct TimestampTests {
    // What the formats in the wild write. The seconds are Python's.
    @Test(
        arguments: [
            ("2027-01-15T08:00:00Z", 1_800_000_000, 0), ("2027-01-15T08:00:00.1Z", 1_800_000_000, 100_000_000),
            ("2027-01-15T08:00:00.12Z", 1_800_000_000, 120_000_000),
            ("2027-01-15T08:00:00.123Z", 1_800_000_000, 123_000_000),
            ("2027-01-15T08:00:00.1234Z", 1_800_000_000, 123_400_000),
            ("2027-01-15T08:00:00.12345Z", 1_800_000_000, 123_450_000),
            ("2027-01-15T08:00:00.123456Z", 1_800_000_000, 123_456_000),
            ("2027-01-15T08:00:00.1234567Z", 1_800_000_000, 123_456_700),
            ("2027-01-15T08:00:00.12345678Z", 1_800_000_000, 123_456_780),
            ("2027-01-15T08:00:00.123456789Z", 1_800_000_000, 123_456_789),
            ("2027-01-15T08:00:00.1234567899Z", 1_800_000_000, 123_456_789),
            ("2027-01-15T08:00:00.000000001Z", 1_800_000_000, 1),
            ("2027-01-15T08:00:00,5Z", 1_800_000_000, 500_000_000),
            ("2027-01-15t08:00:00z", 1_800_000_000, 0), ("2027-01-15 08:00:00Z", 1_800_000_000, 0),
            ("2027-01-15T08:00:00UTC", 1_800_000_000, 0), ("2027-01-15T17:00:00+09:00", 1_800_000_000, 0),
            ("2027-01-15T03:15:00-04:45", 1_800_000_000, 0), ("2027-01-15T08:00:00+00:00", 1_800_000_000, 0),
            ("2027-01-15T08:00:00-00:00", 1_800_000_000, 0),
            ("2027-01-16T07:59:00.5+23:59", 1_800_000_000, 500_000_000),
            ("1970-01-01T00:00:00Z", 0, 0), ("1969-12-31T23:59:59.999Z", -1, 999_000_000),
            // Go's zero time, which Foundation takes for a Julian date two days before.
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("9999-12-31T23:59:59.999999999Z", 253_402_300_799, 999_999_999),
            ("2024-02-29T00:00:00Z", 1_709_164_800, 0), ("2000-02-29T12:00:00Z", 951_825_600, 0),
            ("2100-03-01T00:00:00Z", 4_107_542_400, 0), ("1582-10-10T00:00:00Z", -12_219_724_800, 0),
            // A leap second counts as the second after.
            ("2016-12-31T23:59:60Z", 1_483_228_800, 0),
        ] as [(String, Int64, UInt32)]
    )
    func readsEveryFormInTheWild(_ text: String, _ seconds: Int64, _ nanoseconds: UInt32) throws {
        let time = try #require(Timestamp(rfc3339: text))
        #expect(time.seconds == seconds)
        #expect(time.nanoseconds == nanoseconds)
        #expect(Timestamp(rfc3339: text, assumingUTC: true) == time)
        #expect(Timestamp(rfc3339: time.description) == time)
    }

    @Test(arguments: ["2027-01-15T08:00:00", "2027-01-15T08:00:00.123456", "2027-01-15 08:00:00"])
    func takesATimeWithoutOffsetOnlyWhereItsFormatMeansUTC(_ text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
        #expect(Timestamp(rfc3339: text, assumingUTC: true)?.seconds == 1_800_000_000)
    }

    @Test(arguments: [
        "", "2027", "2027-01-15", "2027-01-15T08:00Z", "2027-01-15T08Z", "27-01-15T08:00:00Z", "02027-01-15T08:00:00Z",
        "2027-1-15T08:00:00Z", "2027-13-15T08:00:00Z", "2027-00-15T08:00:00Z", "2027-01-00T08:00:00Z",
        "2027-01-32T08:00:00Z", "2027-04-31T08:00:00Z", "2027-02-29T08:00:00Z", "2100-02-29T08:00:00Z",
        "1900-02-29T00:00:00Z", "2027-01-15T24:00:00Z", "2027-01-15T08:60:00Z", "2027-01-15T08:00:61Z",
        "2027-01-15T08:00:00.Z", "2027-01-15T08:00:00.-1Z", "2027-01-15T08:00:00.1.2Z", "2027-01-15T08:00:00+24:00",
        "2027-01-15T08:00:00+09:60", "2027-01-15T08:00:00+0900", "2027-01-15T08:00:00+09", "2027-01-15T08:00:00ZZ",
        "2027-01-15T08:00:00Z ", " 2027-01-15T08:00:00Z", "2027-01-15T08:00:00Zulu", "2027-01-15X08:00:00Z",
        "2027/01/15T08:00:00Z", "-027-01-15T08:00:00Z", "+027-01-15T08:00:00Z", "0000-01-01T00:00:00Z",
        // Outside the years 1 to 9999 once the offset is taken off.
        "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
        "2027-01-15T08:00:00\u{0}Z", "２０２７-01-15T08:00:00Z", "2027-01-15T08:00:00 UTC", "Fri, 15 Jan 2027 08:00:00 GMT",
        "1800000000",
    ])
    func refusesEverythingElse(_ text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(
        arguments: [
            (0, 0, "1970-01-01T00:00:00Z"), (1_800_000_000, 1, "2027-01-15T08:00:00.000000001Z"),
            (1_800_000_000, 120_000_000, "2027-01-15T08:00:00.12Z"), (-1, 0, "1969-12-31T23:59:59Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"), (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
        ] as [(Int64, UInt32, String)]
    )
    func showsRFC3339InUTC(_ seconds: Int64, _ nanoseconds: UInt32, _ text: String) {
        #expect(Timestamp(seconds: seconds, nanoseconds: nanoseconds)?.description == text)
    }

    @Test func everyDayComesBack() throws {
        for day in stride(from: Int64(-719_162), through: 2_932_896, by: 13) {
            let time = try #require(Timestamp(seconds: day * 86_400 + 86_399))
            #expect(Timestamp(rfc3339: time.description) == time)
        }
    }

    @Test(
        arguments: [
            (0, 0, 0), (1, 0, 1_000_000), (999, 0, 999_000_000), (1000, 1, 0), (-1, -1, 999_000_000), (-1000, -1, 0),
            (-1001, -2, 999_000_000), (1_800_000_000_123, 1_800_000_000, 123_000_000),
            (253_402_300_799_999, 253_402_300_799, 999_000_000), (-62_135_596_800_000, -62_135_596_800, 0),
        ] as [(Int64, Int64, UInt32)]
    )
    func countsMilliseconds(_ milliseconds: Int64, _ seconds: Int64, _ nanoseconds: UInt32) {
        #expect(Timestamp(milliseconds: milliseconds) == Timestamp(seconds: seconds, nanoseconds: nanoseconds))
    }

    @Test(arguments: [Int64.min, Int64.min + 1, Int64.min + 998, Int64.max, 253_402_300_800_000, -62_135_596_800_001])
    func refusesMillisecondsOutsideTheYears1To9999(_ milliseconds: Int64) {
        #expect(Timestamp(milliseconds: milliseconds) == nil)
    }

    @Test func refusesSecondsOutsideTheYears1To9999() {
        #expect(Timestamp(seconds: -62_135_596_801) == nil)
        #expect(Timestamp(seconds: 253_402_300_800) == nil)
        #expect(Timestamp(seconds: .min) == nil)
        #expect(Timestamp(seconds: .max) == nil)
        #expect(Timestamp(seconds: 0, nanoseconds: 1_000_000_000) == nil)
    }

    @Test func ordersByTime() throws {
        let times = try [(-1, 999), (0, 0), (0, 1), (1, 0)].map {
            try #require(Timestamp(seconds: $0, nanoseconds: $1))
        }
        #expect(times.shuffled().sorted() == times)
    }
}
