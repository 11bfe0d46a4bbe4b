import Testing

@testable import OAuthFlows

struct QRCodeTests {
    /// As `qrencode -8 -m 0 -t ASCII` draws it, two characters to a module, with the mask it chose.
    private func matches(_ text: String, _ correction: QRCode.Correction, _ expected: [String]) -> Bool {
        (0..<8).contains { mask in
            guard let code = QRCode(text, correction: correction, mask: mask) else { return false }
            return (0..<code.side).map { y in
                (0..<code.side).map { code.isDark($0, y) ? "#" : " " }.joined()
            } == expected
        }
    }

    @Test(arguments: QRSample.all)
    func drawsWhatLibqrencodeDraws(_ sample: QRSample) {
        #expect(matches(sample.text, sample.correction, sample.rows))
    }

    @Test func takesTheSmallestVersionThatFits() throws {
        // ISO/IEC 18004 table 7: bytes in versions 1 to 10.
        let low = [17, 32, 53, 78, 106, 134, 154, 192, 230, 271]
        let medium = [14, 26, 42, 62, 84, 106, 122, 152, 180, 213]
        for (correction, capacities) in [(QRCode.Correction.low, low), (.medium, medium)] {
            for (index, capacity) in capacities.enumerated() {
                let text = String(repeating: "x", count: capacity)
                #expect(QRCode(text, correction: correction, mask: 0)?.version == index + 1)
                #expect(QRCode(text + "x", correction: correction, mask: 0)?.version != index + 1)
            }
        }
        #expect(QRCode(String(repeating: "x", count: 272)) == nil)
    }

    @Test func isDrawnInHalfBlocksWithAQuietZone() throws {
        let code = try #require(QRCode("https://as.example/device?user_code=WDJB-MJHT"))
        let lines = code.lines(quietZone: 2)
        #expect(lines.count == (code.side + 4 + 1) / 2)
        let light = String(repeating: " ", count: code.side + 4)
        #expect(lines[0] == "\u{1B}[38;5;16;48;5;231m\(light)\u{1B}[0m")
        // The finder's top row, behind two light modules.
        #expect(
            lines[1].hasPrefix("\u{1B}[38;5;16;48;5;231m  \u{2588}\u{2580}\u{2580}\u{2580}\u{2580}\u{2580}\u{2588} ")
        )
    }
}
