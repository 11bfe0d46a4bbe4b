internal import StrictJSON
internal import VaultAPI
internal import VaultCore

extension ImportPlan {
    /// The plan for people: one line for each grant, its notes below it, then what cannot be imported.
    ///
    /// Names from files are shown without what a terminal would act on.
    public var lines: [String] {
        var lines: [String] = []
        for item in items {
            lines.append(item.line)
            for note in item.allNotes { lines.append("    note: \(note)") }
        }
        for file in aside { lines.append("\(file.reason.rawValue.padded(to: 9)) \(file.line)") }
        for failure in failures { lines.append("failed    \(failure.line)") }
        if passedOver > 0 { lines.append("\(passedOver) passed over: no token files") }
        return lines
    }
}

extension ImportItem {
    /// The action, the entry and where it comes from.
    fileprivate var line: String {
        var parts = ["\(action.rawValue.padded(to: 9)) \(name)  from \(printable(path))"]
        if !pointer.isEmpty { parts[0] += " \(printable(pointer))" }
        parts.append(format)
        if let account { parts.append(printable(account)) }
        switch expiry {
        case .known(let instant): parts.append("access token until \(instant)")
        case .unknown: parts.append("expiry unknown")
        case .never: parts.append("never expires")
        }
        if hasRefreshToken { parts.append("with refresh token") }
        if willBeHeld { parts.append("held") }
        return parts.joined(separator: ", ")
    }

    /// The notes, and the one about the file's mode.
    public var allNotes: [String] {
        guard let wideMode else { return notes }
        return notes + ["the file has mode 0\(String(wideMode, radix: 8)): others can reach it"]
    }
}

extension ImportReport {
    /// The report for people, one line for each grant and each failure.
    public var lines: [String] {
        outcomes.map { outcome in
            var line = "\(outcome.result.rawValue.padded(to: 9)) \(outcome.item.name)"
            if outcome.state != .active { line += "  \(outcome.state.word)" }
            switch outcome.removal {
            case .kept: break
            case .edited: line += "  cut out of \(printable(outcome.item.path))"
            case .deleted: line += "  \(printable(outcome.item.path)) deleted"
            }
            return line
        } + failures.map { "failed    \($0.line)" }
    }
}

extension ImportFailure {
    /// The error's sentence, with the path in front where it does not name it.
    public var line: String {
        let shown = printable(path)
        return error.message.contains(shown) ? error.message : "\(shown): \(error.message)"
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - utf8.count))
    }
}
