import KeyringProtocol
import Testing

/// The wire format and the text of keys, on their own.
struct WireTests {
    @Test func writesAndReadsTheSameKeys() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + count) }
            var text = [UInt8](repeating: 0, count: KeyText.textCount(count))
            var back = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeBytes { bytes in text.withUnsafeMutableBytes { KeyText.encode(bytes, into: $0) } }
            let valid = text.withUnsafeBytes { text in back.withUnsafeMutableBytes { KeyText.decode(text, into: $0) } }
            #expect(valid && back == bytes)
        }
    }

    @Test(arguments: ["Zg=", "Zg", "Zh==", "Zg=A", "=g==", "Z===", "Zg==\n", "Z-==", "\u{0}g=="])
    func readsNoOtherText(text: String) {
        var back: [UInt8] = [0]
        let valid = Array(text.utf8).withUnsafeBytes { text in
            back.withUnsafeMutableBytes { KeyText.decode(text, into: $0) }
        }
        #expect(!valid)
    }

    @Test func readsEveryPrefixOfARequestAsMalformed() throws {
        let request = KeyringRequest(.store, interactive: true, vault: Array(1...16), slot: Array(17...32), label: "é")
        let body = Array(request.frameHead(valueBytes: 2)[4...]) + [7, 8]
        let parsed = try body.withUnsafeBytes { try KeyringRequest.parse($0) }
        #expect(parsed.request.label == "é" && parsed.request.slot == Array(17...32) && parsed.request.interactive)
        #expect(body[parsed.value] == [7, 8])
        for count in 0..<body.count {
            #expect(throws: KeyringWire.Malformed.self) {
                try body[..<count].withUnsafeBytes { try KeyringRequest.parse($0) }
            }
        }
        #expect(throws: KeyringWire.Malformed.self) {
            try (body + [0]).withUnsafeBytes { try KeyringRequest.parse($0) }
        }
    }

    @Test func refusesALengthBeyondTheLimit() {
        #expect(([0, 1, 0, 0] as [UInt8]).withUnsafeBytes { KeyringWire.bodyCount($0) } == 65536)
        #expect(([0, 1, 0, 1] as [UInt8]).withUnsafeBytes { KeyringWire.bodyCount($0) } == nil)
    }
}
