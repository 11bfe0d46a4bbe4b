/// A QR code (ISO/IEC 18004) of a short text, for terminals: a telephone reads the URL of a device login off it.
///
/// Byte mode, versions 1 to 10, which hold 271 bytes, more than a verification URL has. Written here because the
/// alternative is libqrencode as a library that every installation of the command would need at run time, for one
/// picture in one flow.
package struct QRCode: Sendable {
    /// How much of the picture may be unreadable.
    package enum Correction: Int, Sendable {
        /// About 7 %: the smallest picture.
        case low
        /// About 15 %.
        case medium

        /// ISO/IEC 18004 table 9: correction codewords of a block, by version.
        fileprivate var codewords: [Int] {
            self == .low ? [7, 10, 15, 20, 26, 18, 20, 24, 30, 18] : [10, 16, 26, 18, 24, 16, 18, 22, 22, 26]
        }

        /// Table 9: blocks, by version.
        fileprivate var blocks: [Int] {
            self == .low ? [1, 1, 1, 1, 1, 2, 2, 2, 2, 4] : [1, 1, 1, 2, 2, 4, 4, 4, 5, 5]
        }

        /// Table 12.
        fileprivate var formatBits: Int { self == .low ? 1 : 0 }
    }

    /// 1 to 10.
    package let version: Int
    /// Modules along one side, the quiet zone not counted.
    package var side: Int { version * 4 + 17 }
    /// Row by row; `true` is dark.
    private var modules: [Bool]
    /// Which modules belong to patterns and carry no data.
    private var reserved: [Bool]

    /// The smallest code that holds `text`; `nil` where it is too long.
    ///
    /// - Parameter mask: 0 to 7 for a certain one; the one with the least penalty otherwise.
    package init?(_ text: String, correction: Correction = .low, mask: Int? = nil) {
        let bytes = Array(text.utf8)
        let fitting = (1...10).first { version in
            Self.dataCodewords(version, correction) * 8 >= 4 + (version < 10 ? 8 : 16) + bytes.count * 8
        }
        guard let fitting else { return nil }
        version = fitting
        let side = fitting * 4 + 17
        modules = [Bool](repeating: false, count: side * side)
        reserved = modules
        drawPatterns()
        draw(Self.interleaved(Self.data(bytes, version, correction), version, correction))
        let masks = mask.map { [$0] } ?? Array(0..<8)
        let candidates = masks.map { masked($0, correction) }
        let best = candidates.min { $0.penalty < $1.penalty }
        if let best { modules = best.modules }
    }

    /// Whether the module is dark; outside the code none is.
    package func isDark(_ x: Int, _ y: Int) -> Bool {
        x >= 0 && y >= 0 && x < side && y < side && modules[y * side + x]
    }

    // MARK: - Data

    private static func rawCodewords(_ version: Int) -> Int {
        var bits = (16 * version + 128) * version + 64
        if version >= 2 {
            let alignments = version / 7 + 2
            bits -= (25 * alignments - 10) * alignments - 55
            if version >= 7 { bits -= 36 }
        }
        return bits / 8
    }

    private static func dataCodewords(_ version: Int, _ correction: Correction) -> Int {
        rawCodewords(version) - correction.codewords[version - 1] * correction.blocks[version - 1]
    }

    /// §7.4: mode, length, bytes, terminator, padding.
    private static func data(_ bytes: [UInt8], _ version: Int, _ correction: Correction) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) {
            for bit in (0..<count).reversed() { bits.append(value >> bit & 1 == 1) }
        }
        append(0b0100, 4)
        append(bytes.count, version < 10 ? 8 : 16)
        for byte in bytes { append(Int(byte), 8) }
        let capacity = dataCodewords(version, correction) * 8
        append(0, min(4, capacity - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var padding = [0xEC, 0x11]
        while bits.count < capacity {
            append(padding[0], 8)
            padding.swapAt(0, 1)
        }
        return stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<start + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }

    /// §7.5 and §7.6: blocks with their correction codewords, column by column; the first blocks are the shorter ones.
    private static func interleaved(_ data: [UInt8], _ version: Int, _ correction: Correction) -> [UInt8] {
        let blockCount = correction.blocks[version - 1]
        let correctionCount = correction.codewords[version - 1]
        let shortCount = blockCount - data.count % blockCount
        let divisor = ReedSolomon.divisor(correctionCount)
        var blocks: [(data: ArraySlice<UInt8>, correction: [UInt8])] = []
        var start = 0
        for index in 0..<blockCount {
            let end = start + data.count / blockCount + (index < shortCount ? 0 : 1)
            blocks.append((data[start..<end], ReedSolomon.remainder(data[start..<end], divisor)))
            start = end
        }
        var result: [UInt8] = []
        for offset in 0...data.count / blockCount {
            for block in blocks where offset < block.data.count {
                result.append(block.data[block.data.startIndex + offset])
            }
        }
        for offset in 0..<correctionCount { for block in blocks { result.append(block.correction[offset]) } }
        return result
    }

    // MARK: - Drawing

    private mutating func set(_ x: Int, _ y: Int, _ isDark: Bool) {
        guard x >= 0, y >= 0, x < side, y < side else { return }
        modules[y * side + x] = isDark
        reserved[y * side + x] = true
    }

    private mutating func drawPatterns() {
        for index in 0..<side {
            set(6, index, index % 2 == 0)
            set(index, 6, index % 2 == 0)
        }
        for (x, y) in [(3, 3), (side - 4, 3), (3, side - 4)] {
            for dy in -4...4 {
                for dx in -4...4 {
                    let distance = max(abs(dx), abs(dy))
                    set(x + dx, y + dy, distance != 2 && distance != 4)
                }
            }
        }
        let last = side - 7
        let positions = version == 1 ? [] : version < 7 ? [6, last] : [6, (6 + last) / 2, last]
        for y in positions {
            for x in positions where !(x == 6 && y == 6 || x == 6 && y == last || x == last && y == 6) {
                for dy in -2...2 { for dx in -2...2 { set(x + dx, y + dy, max(abs(dx), abs(dy)) != 1) } }
            }
        }
        drawFormat(0)
        drawVersion()
    }

    /// §7.9: level and mask under a BCH code, twice.
    private mutating func drawFormat(_ data: Int) {
        var remainder = data
        for _ in 0..<10 { remainder = remainder << 1 ^ (remainder >> 9) * 0x537 }
        let bits = (data << 10 | remainder) ^ 0x5412
        func bit(_ index: Int) -> Bool { bits >> index & 1 == 1 }
        for index in 0...5 { set(8, index, bit(index)) }
        set(8, 7, bit(6))
        set(8, 8, bit(7))
        set(7, 8, bit(8))
        for index in 9..<15 { set(14 - index, 8, bit(index)) }
        for index in 0..<8 { set(side - 1 - index, 8, bit(index)) }
        for index in 8..<15 { set(8, side - 15 + index, bit(index)) }
        set(8, side - 8, true)
    }

    /// §7.10.
    private mutating func drawVersion() {
        guard version >= 7 else { return }
        var remainder = version
        for _ in 0..<12 { remainder = remainder << 1 ^ (remainder >> 11) * 0x1F25 }
        let bits = version << 12 | remainder
        for index in 0..<18 {
            let (far, near) = (side - 11 + index % 3, index / 3)
            set(far, near, bits >> index & 1 == 1)
            set(near, far, bits >> index & 1 == 1)
        }
    }

    /// §7.7.3: two columns at a time from the right, up and down by turns.
    private mutating func draw(_ codewords: [UInt8]) {
        var position = 0
        for right in [Int](stride(from: side - 1, through: 8, by: -2)) + [5, 3, 1] {
            for step in 0..<side {
                let isUpward = (right + 1) & 2 == 0
                let y = isUpward ? side - 1 - step : step
                for x in [right, right - 1] where !reserved[y * side + x] && position < codewords.count * 8 {
                    modules[y * side + x] = codewords[position / 8] >> UInt8(7 - position % 8) & 1 == 1
                    position += 1
                }
            }
        }
    }

    private func masked(_ mask: Int, _ correction: Correction) -> (modules: [Bool], penalty: Int) {
        var code = self
        for y in 0..<side {
            for x in 0..<side where !reserved[y * side + x] && Self.inverts(mask, x, y) {
                code.modules[y * side + x].toggle()
            }
        }
        code.drawFormat(correction.formatBits << 3 | mask)
        return (code.modules, code.penalty)
    }

    /// Table 10.
    private static func inverts(_ mask: Int, _ x: Int, _ y: Int) -> Bool {
        switch mask {
        case 0: (x + y) % 2 == 0
        case 1: y % 2 == 0
        case 2: x % 3 == 0
        case 3: (x + y) % 3 == 0
        case 4: (x / 3 + y / 2) % 2 == 0
        case 5: x * y % 2 + x * y % 3 == 0
        case 6: (x * y % 2 + x * y % 3) % 2 == 0
        default: ((x + y) % 2 + x * y % 3) % 2 == 0
        }
    }

    /// §7.8.3: what is hard to read.
    private var penalty: Int {
        var penalty = 0
        let finder: [Bool] = [true, false, true, true, true, false, true, false, false, false, false]
        let mirrored = [Bool](finder.reversed())
        for isColumn in [false, true] {
            for line in 0..<side {
                let cells = (0..<side).map { isColumn ? isDark(line, $0) : isDark($0, line) }
                var run = 1
                for index in 1...side {
                    if index < side, cells[index] == cells[index - 1] {
                        run += 1
                    } else {
                        if run >= 5 { penalty += run - 2 }
                        run = 1
                    }
                }
                for start in 0...side - finder.count {
                    let window = cells[start..<start + finder.count]
                    if window.elementsEqual(finder) || window.elementsEqual(mirrored) { penalty += 40 }
                }
            }
        }
        for y in 0..<side - 1 {
            for x in 0..<side - 1 {
                let dark = [isDark(x, y), isDark(x + 1, y), isDark(x, y + 1), isDark(x + 1, y + 1)]
                if Set(dark).count == 1 { penalty += 3 }
            }
        }
        let dark = modules.count { $0 }
        return penalty + abs(dark * 20 - modules.count * 10) / modules.count * 10
    }
}

/// The correction code of §7.5.2, over GF(256) with the polynomial 0x11D.
private enum ReedSolomon {
    static func divisor(_ degree: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: degree)
        result[degree - 1] = 1
        var root: UInt8 = 1
        for _ in 0..<degree {
            for index in 0..<degree {
                result[index] = product(result[index], root)
                if index + 1 < degree { result[index] ^= result[index + 1] }
            }
            root = product(root, 2)
        }
        return result
    }

    static func remainder(_ data: ArraySlice<UInt8>, _ divisor: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: divisor.count)
        for byte in data {
            let factor = byte ^ result.removeFirst()
            result.append(0)
            for (index, coefficient) in divisor.enumerated() { result[index] ^= product(coefficient, factor) }
        }
        return result
    }

    private static func product(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var result = 0
        for bit in (0..<8).reversed() {
            result = result << 1 ^ (result >> 7) * 0x11D
            result ^= Int(right >> UInt8(bit) & 1) * Int(left)
        }
        return UInt8(result)
    }
}
