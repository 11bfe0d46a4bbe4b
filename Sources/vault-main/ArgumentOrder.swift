/// Global options may stand before or after the command's name.
///
/// The parser knows them on the commands that do something, so wherever they stand, they are moved behind everything
/// else.
enum ArgumentOrder {
    private static let flags: Set<String> = [
        "--json", "--no-input", "-q", "--quiet", "-v", "--verbose", "--allow-memory",
    ]
    private static let options: Set<String> = [
        "--vault", "--profile", "--passphrase-file", "--passphrase-fd", "--slot",
    ]

    static func globalsLast(_ arguments: [String]) -> [String] {
        // Scripts that complete words, and help, are the parser's own business.
        // What stands behind `--` is another program's.
        let own = arguments.prefix { $0 != "--" }
        guard !own.contains("--help"), !own.contains("-h"), own.first != "help", own.first?.hasPrefix("---") != true
        else { return arguments }
        var rest: [String] = []
        var globals: [String] = []
        var index = 0
        while index < arguments.count {
            let argument = arguments[index]
            if argument == "--" { break }
            let name = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).first.map(
                String.init
            )
            if flags.contains(argument) {
                globals.append(argument)
            } else if let name, options.contains(name) {
                globals.append(argument)
                if name == argument, index + 1 < arguments.count {
                    index += 1
                    globals.append(arguments[index])
                }
            } else {
                rest.append(argument)
            }
            index += 1
        }
        // A bare `vault --version` or `vault --json` has no command to move anything behind.
        return rest + globals + arguments[index...]
    }

    /// The options among them that say which vault is meant.
    static func place(_ arguments: [String]) -> [String] {
        var place: [String] = []
        var rest = arguments.prefix { $0 != "--" }
        while let argument = rest.popFirst() {
            guard let name = ["--vault", "--profile"].first(where: { argument == $0 || argument.hasPrefix("\($0)=") })
            else { continue }
            place.append(argument)
            if argument == name, let value = rest.popFirst() { place.append(value) }
        }
        return place
    }
}
