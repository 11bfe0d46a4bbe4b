import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// A file and what is to be found in it, one line for each grant.
struct CloudCase: Sendable, CustomTestStringConvertible {
    let format: String
    let path: String
    let text: String
    let lines: [String]
    /// What notes have to say, of the grants or of the file.
    let notes: [String]

    init(_ format: String, _ path: String, _ text: String, _ lines: [String], notes: [String] = []) {
        self.format = format
        self.path = path
        self.text = text
        self.lines = lines
        self.notes = notes
    }

    /// A sample file in its own place.
    init(sample path: String, _ format: String, _ lines: [String], notes: [String] = []) {
        let text = (try? Fixture.text(path)) ?? "no such sample"
        self.init(format, path, text, lines, notes: notes)
    }

    var testDescription: String { "\(format) \(path) \(text.prefix(48))" }
}

extension FileReading {
    /// All that an entry would hold of each grant.
    var lines: [String] {
        get throws { try contents.grants.map { try $0.line } }
    }

    var notes: [String] { contents.notes + contents.grants.flatMap(\.notes) }
}

extension FoundGrant {
    /// Name, account, expiry, client, endpoint, whether it is held, secrets and place, as far as they are known.
    var line: String {
        get throws {
            var parts = [summary.name.description]
            if let account = summary.account { parts.append("account=\(account)") }
            switch summary.expiry {
            case .known(let time): parts.append("expires=\(time)")
            case .never: parts.append("expires=never")
            case .unknown: break
            }
            if let client = summary.clientID { parts.append("client=\(client)") }
            if let endpoint = summary.tokenEndpoint { parts.append("to=\(endpoint)") }
            if token(.refreshToken) != nil, summary.rotation != .never { parts.append("held") }
            for (field, value) in secrets { parts.append("\(field.word)=\(try value.text)") }
            for (field, value) in copies { parts.append("copy of \(field.word) at \(value.pointer)") }
            parts.append("at \(value.pointer)")
            return parts.joined(separator: " ")
        }
    }
}

extension JSONValue {
    /// The value of a string; of a JWT its first letters.
    fileprivate var text: String {
        get throws {
            let secret = try secret()
            let text = secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            return text.hasPrefix("eyJ") ? "eyJ" : text
        }
    }
}

/// Whether a text is another one with parts cut out of it.
func isCut(_ text: String, outOf whole: String) -> Bool {
    var rest = Array(whole.utf8)[...]
    for byte in text.utf8 {
        guard let place = rest.firstIndex(of: byte) else { return false }
        rest = rest[(place + 1)...]
    }
    return true
}

/// The instant of a date and time on the clock of this machine, by Foundation's calendar.
func localInstant(_ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ fraction: String = "") -> String {
    let parts = DateComponents(timeZone: .current, year: year, month: month, day: day, hour: hour)
    let date = Calendar(identifier: .gregorian).date(from: parts) ?? .distantPast
    let whole = Timestamp(seconds: Int64(date.timeIntervalSince1970))?.description ?? ""
    return whole.replacingOccurrences(of: "Z", with: fraction + "Z")
}
