internal import CVaultFront

/// `vault token NAME` with options that the front knows.
struct Question {
    /// As it was typed, and a name by all rules.
    private(set) var name: Text?
    private(set) var asksHeader = false
    private(set) var isQuiet = false
    private(set) var minimumValidity: Int64?
    /// `--vault` and `--profile`.
    private(set) var directory: Text?
    private(set) var profile: Text?

    /// What the arguments ask for; `nil` where that is anything else, or anything is doubtful.
    static var asked: Question? {
        var question = Question()
        var isToken = false
        var index: Int32 = 1
        while let start = front_argument(index) {
            let argument = Text(text: start)
            index += 1
            if argument.first != UInt8(ascii: "-") {
                if !isToken, argument.isEqual(to: "token") {
                    isToken = true
                } else {
                    guard isToken, question.name == nil, Self.isName(argument, mayHaveKind: true) else { return nil }
                    question.name = argument
                }
            } else if argument.isEqual(to: "-q") || argument.isEqual(to: "--quiet") {
                question.isQuiet = true
            } else if argument.isEqual(to: "--no-input") {
                // The agent asks in its own way, if at all; this process asks nobody.
            } else if isToken, argument.isEqual(to: "--header"), !question.asksHeader {
                question.asksHeader = true
            } else if let value = value(of: "--vault", argument, &index), question.directory == nil {
                question.directory = value
            } else if let value = value(of: "--profile", argument, &index), question.profile == nil {
                question.profile = value
            } else if isToken, let value = value(of: "--min-valid", argument, &index), question.minimumValidity == nil {
                question.minimumValidity = seconds(value)
                guard question.minimumValidity != nil else { return nil }
            } else {
                return nil
            }
        }
        return question.name == nil ? nil : question
    }

    /// Whether notes can be printed as they are: in hints of theirs, `vault-main` names the vault that was named to it.
    var mayNote: Bool { isQuiet || directory == nil && profile == nil }

    /// The line that asks the agent.
    func request(in directory: borrowing Bytes) -> Bytes {
        var line = Bytes(capacity: 512)
        line.append(#"{"jsonrpc":"2.0","id":1,"method":"token","params":{"protocol":1,"vault":""#)
        line.append(json: directory.text)
        line.append(#"","name":""#)
        if let name { line.append(name) }
        line.append(#"""#)
        if let minimumValidity {
            line.append(#","min_valid":"#)
            line.append(decimal: minimumValidity)
        }
        line.append("}}\n")
        return line
    }

    /// The value of `--option=VALUE`, or of `--option VALUE`, which takes an argument more.
    private static func value(of option: StaticString, _ argument: Text, _ index: inout Int32) -> Text? {
        guard argument.hasPrefix(option) else { return nil }
        var value = argument.dropping(option.utf8CodeUnitCount)
        if value.first == UInt8(ascii: "=") {
            value = value.dropping(1)
        } else {
            guard value.isEmpty, let next = front_argument(index) else { return nil }
            index += 1
            value = Text(text: next)
            guard value.first != UInt8(ascii: "-") else { return nil }
        }
        return value.isEmpty ? nil : value
    }

    /// `[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}`, and before it `oauth:` or `static:` if it may.
    static func isName(_ text: Text, mayHaveKind: Bool = false) -> Bool {
        if mayHaveKind, text.hasPrefix("oauth:") { return isName(text.dropping(6)) }
        if mayHaveKind, text.hasPrefix("static:") { return isName(text.dropping(7)) }
        guard let first = text.first, first.isAlphanumeric, text.count <= 128 else { return false }
        for byte in text where !byte.isAlphanumeric {
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "@"), UInt8(ascii: "+"), UInt8(ascii: "-"): break
            default: return false
            }
        }
        return true
    }

    /// `90`, `90s`, `5m`, `2h`, `1d`.
    private static func seconds(_ text: Text) -> Int64? {
        var digits = text
        var unit: Int64 = 1
        switch text.last {
        case UInt8(ascii: "s"): digits = text.droppingLast()
        case UInt8(ascii: "m"): (digits, unit) = (text.droppingLast(), 60)
        case UInt8(ascii: "h"): (digits, unit) = (text.droppingLast(), 3600)
        case UInt8(ascii: "d"): (digits, unit) = (text.droppingLast(), 86_400)
        default: break
        }
        // Far from where a product would overflow.
        guard !digits.isEmpty, digits.count <= 12 else { return nil }
        var number: Int64 = 0
        for byte in digits {
            guard byte.isDigit else { return nil }
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return number * unit
    }
}
