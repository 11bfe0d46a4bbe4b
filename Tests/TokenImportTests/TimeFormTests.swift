import Foundation
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// Each form in which a tool writes an instant, in a file of that tool, checked against a table.
struct TimeFormTests {
    /// A file and what its expiry is: an instant, `unknown` or `never`.
    struct Row: Decodable, Sendable, CustomTestStringConvertible {
        let what: String
        let path: String
        let expiry: String
        let text: String
        var testDescription: String { what }
    }

    private static let rows: [Row] = {
        guard let file = Bundle.module.url(forResource: "times", withExtension: "json", subdirectory: "Tables"),
            let data = try? Data(contentsOf: file)
        else { return [] }
        return (try? JSONDecoder().decode([Row].self, from: data)) ?? []
    }()

    private let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    private func expiry(_ text: String, at name: String) throws -> Expiry {
        let reading = try FileReading.of(
            try directory.write(name, text),
            options: ImportOptions(machine: Machine(home: directory.path, environment: [:])),
            now: testNow
        )
        return try #require(reading.contents.grants.first).summary.expiry
    }

    @Test(arguments: rows)
    func landsAsTheInstantOfTheTable(_ row: Row) throws {
        let found = try expiry(row.text, at: row.path)
        switch row.expiry {
        case "unknown": #expect(found == .unknown)
        case "never": #expect(found == .never)
        default: #expect(found == .known(try #require(Timestamp(rfc3339: row.expiry))))
        }
    }

    @Test func theTableIsThere() {
        #expect(Self.rows.count > 40)
        #expect(Set(Self.rows.map(\.expiry)).isSuperset(of: ["unknown", "never", "2030-01-01T00:00:00Z"]))
    }

    /// mutt_oauth2.py writes the clock on the wall.
    @Test func readsLocalTimeInThisZone() throws {
        let text =
            #"{"registration":"google","authflow":"localhostauthcode","email":"you@example.com","#
            + #""access_token":"a","access_token_expiration":"2030-07-01T12:30:00.250000","refresh_token":"r"}"#
        let read = try expiry(text, at: "x/tokenfile.json")
        guard case .known(let instant) = read else {
            Issue.record("\(read) is no instant")
            return
        }
        #expect(LocalTime.text(instant) == "2030-07-01T12:30:00")
        #expect(instant.nanoseconds == 250_000_000)
    }
}
