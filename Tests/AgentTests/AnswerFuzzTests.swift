import Foundation
import VaultCore
import VaultCrypto
import Testing
import TestSupport
import VaultAPI

@testable import AgentClient
@testable import VaultAgent

/// Lines that no client of ours sends: each gets one line of well-formed JSON-RPC, and none brings a secret out.
struct AnswerFuzzTests {
    private static let methods = [
        "status", "unlock", "lock", "token", "authorization", "refresh", "list", "show", "put", "rename", "remove",
        "logout", "adopt", "nothing", "", "Token",
    ]
    private static let members = [
        "vault", "name", "to", "part", "min_valid", "rejected", "refresh", "began", "dpop_nonce", "secret_base64",
        "delete_anyway", "take_out", "method", "url", "directory", "state_base", "configuration", "data_key_base64",
        "network", "lifetime_seconds", "protocol",
    ]
    private static let values = [
        "null", "true", "false", "0", "-1", "1", "300", "9223372036854775807", "-9223372036854775808",
        "99999999999999999999", "1e400", "0.5", "\"\"", "\"work\"", "\"static:key\"", "\"no such\"", "\"/\"",
        "\"id_token\"", "\"access_token\"", "\"\\u0000\"", "\"\\ud800\"", "\"dmFsdWU=\"", "\"AAAA====\"",
        "\"2030-01-01T00:00:00Z\"", "[]", "{}", "[1,2]", "{\"a\":\"b\"}", "\"https://api.example/\"", "\"GET\"",
    ]

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func anyLineIsAnswered(seed: UInt64) async throws {
        let fixture = try await Fixture(.agent)
        try await fixture.insert(age: 0) { $0.hosts = ["api.example"] }
        let requester = Requester(processID: getpid(), userID: getuid(), forwarding: nil)
        var random = Random(state: seed)
        let key = fixture.vault.withDataKey { (key) in
            key.withUnsafeBytes { Data($0).base64EncodedString() }
        }
        let vault = "\"\(fixture.location.directory)\""
        var (count, results) = (0, 0)
        while count < 150 {
            var line = Self.line(vault, &random)
            if random.next() % 3 == 0 { Self.damage(&line, &random) }
            let asked = SecretText(count: line.count) { $0.copyBytes(from: line) }
            guard case .reply(let content) = await fixture.agent.answer(asked, from: requester) else {
                Issue.record("stopped by \(String(decoding: line, as: UTF8.self))")
                return
            }
            let answer = content.line().withUnsafeBytes { Data($0) }
            let isLine = answer.last == 10 && !answer.dropLast().contains(10)
            let object = try? JSONSerialization.jsonObject(with: answer) as? [String: Any]
            let text = String(decoding: answer, as: UTF8.self)
            guard isLine, let object, object["jsonrpc"] as? String == "2.0", object.keys.contains("id"),
                (object["result"] == nil) != (object["error"] == nil)
            else {
                Issue.record("\(String(decoding: line, as: UTF8.self)) is answered by \(text)")
                return
            }
            try #require(!text.contains(key) && !text.contains("refresh-"), "a secret came out: \(text)")
            count += 1
            if object["result"] != nil { results += 1 }
            // What locks the vault, or empties it, is undone.
            try await fixture.unlock()
        }
        print("seed \(seed): \(count) lines, \(results) results")
        #expect(results > 5 && results < count)
    }

    private static func line(_ vault: String, _ random: inout Random) -> [UInt8] {
        var params = ["\"protocol\":\(random.next() % 20 == 0 ? random.pick(values) : "1")"]
        if random.next() % 8 != 0 { params.append("\"vault\":\(vault)") }
        if random.next() % 4 != 0 { params.append("\"name\":\"work\"") }
        for _ in 0..<random.next() % 6 { params.append("\"\(random.pick(members))\":\(random.pick(values))") }
        let id = random.next() % 4 == 0 ? random.pick(values) : "1"
        let method = random.next() % 16 == 0 ? random.pick(values) : "\"\(random.pick(methods))\""
        let object = random.next() % 32 == 0 ? random.pick(values) : "{\(params.joined(separator: ","))}"
        return Array("{\"jsonrpc\":\"2.0\",\"id\":\(id),\"method\":\(method),\"params\":\(object)}".utf8)
    }

    private static func damage(_ line: inout [UInt8], _ random: inout Random) {
        for _ in 0...random.next() % 4 where !line.isEmpty {
            let place = Int(random.next() % UInt64(line.count))
            switch random.next() % 4 {
            case 0: line[place] = UInt8(truncatingIfNeeded: random.next())
            case 1: line.remove(at: place)
            case 2: line.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            default: line.removeSubrange(place...)
            }
        }
    }

    @Test func deepAndWideLinesAreRefusedAtOnce() async throws {
        let fixture = try await Fixture(.agent)
        let requester = Requester(processID: getpid(), userID: getuid(), forwarding: nil)
        for piece in ["[", "{\"a\":", "[],", "\"a\",", "\\", "\u{0}"] {
            let line =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\",\"params\":"
                + String(repeating: piece, count: (1 << 20) / piece.utf8.count)
            let began = ContinuousClock.now
            guard case .reply(let content) = await fixture.agent.answer(text(line), from: requester) else {
                Issue.record("it stopped")
                return
            }
            #expect(content.line().text?.contains("-32700") == true)
            #expect(ContinuousClock.now - began < .seconds(10))
        }
    }
}

/// SplitMix64: the same numbers for the same seed everywhere.
private struct Random {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int(next() % UInt64(elements.count))]
    }
}
