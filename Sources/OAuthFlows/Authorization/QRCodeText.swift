extension QRCode {
    /// The code in half blocks, two rows of modules to a line, a quiet zone around it.
    ///
    /// Dark modules are black on white whatever the terminal's colours, by two escape sequences on each line: many
    /// readers do not take a picture in reverse, which is what characters alone give on a dark terminal.
    package func lines(quietZone: Int = 2) -> [String] {
        let range = -quietZone..<side + quietZone
        return stride(from: range.lowerBound, to: range.upperBound, by: 2).map { y in
            let cells = range.map { x in
                switch (isDark(x, y), isDark(x, y + 1)) {
                case (true, true): "\u{2588}"
                case (true, false): "\u{2580}"
                case (false, true): "\u{2584}"
                case (false, false): " "
                }
            }
            // Black on bright white: with the indexed colours a theme may give, still far apart.
            return "\u{1B}[38;5;16;48;5;231m\(cells.joined())\u{1B}[0m"
        }
    }
}
