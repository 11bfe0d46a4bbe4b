internal import StrictJSON
public import VaultAPI

extension ImportPlan {
    /// What was found, for people: a table where it fits, and a block of lines for each grant where it does not.
    ///
    /// Names from files are shown without what a terminal would act on.
    ///
    /// - Parameters:
    ///   - columns: How wide a line may be.
    ///   - now: Decides what has expired.
    public func overview(columns: Int, now: Timestamp) -> [String] {
        let rows = items.map { FoundRow($0, home: options.machine.home, now: now) }
        var lines = Self.table(rows, columns) ?? rows.flatMap { $0.block(columns) }
        for file in aside {
            lines += wrapped("\(file.reason.rawValue.filled(to: 10)) \(file.line)", columns, indent: 11)
        }
        for failure in failures { lines += wrapped("failed     \(failure.line)", columns, indent: 11) }
        lines += wrapped(total, columns, indent: 0)
        return lines
    }

    private static func table(_ rows: [FoundRow], _ columns: Int) -> [String]? {
        guard !rows.isEmpty else { return [] }
        let header = ["", "ENTRY", "TOOL", "ACCOUNT", "EXPIRES", "REFRESH", "READABLE BY", "FILE"]
        let cells = [header] + rows.map(\.cells)
        let widths = header.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
        guard widths.reduce(0, +) + 2 * (widths.count - 1) <= columns else { return nil }
        var lines: [String] = []
        for (index, cells) in cells.enumerated() {
            let line = zip(cells, widths).map { $0.filled(to: $1) }.joined(separator: "  ")
            lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
            if index > 0 { lines += rows[index - 1].remarks.flatMap { wrapped("    \($0)", columns, indent: 6) } }
        }
        return lines
    }

    /// How much of what there is.
    private var total: String {
        let actions: [ImportItem.Action] = [.new, .update, .unchanged, .copy, .conflict]
        let counts = actions.compactMap { action in
            let count = items.count { $0.action == action }
            return count == 0 ? nil : "\(count) \(action.rawValue)"
        }
        let files = Set(items.map(\.path)).count
        var parts = ["\(counted(items.count, "grant")) in \(counted(files, "file"))"]
        if !counts.isEmpty { parts[0] += ": " + counts.joined(separator: ", ") }
        let exposed = items.count { $0.exposure.isExposed }
        if exposed > 0 { parts.append("\(exposed) exposed") }
        if !aside.isEmpty { parts.append("\(counted(aside.count, "file")) set aside") }
        if !failures.isEmpty { parts.append("\(failures.count) failed") }
        if passedOver > 0 { parts.append("\(passedOver) passed over: no token files") }
        return parts.joined(separator: "; ")
    }
}

/// A grant in words.
private struct FoundRow {
    private let item: ImportItem
    private let home: String?
    private let now: Timestamp

    init(_ item: ImportItem, home: String?, now: Timestamp) {
        self.item = item
        self.home = home
        self.now = now
    }

    /// What stands in the table's columns.
    var cells: [String] {
        [
            action, item.name.description, item.tool, item.account.map(printable) ?? "-", expiry,
            item.isRefreshable ? "yes" : "no", item.exposure.readers.rawValue, file,
        ]
    }

    /// What stands below the row.
    var remarks: [String] {
        var remarks: [String] = []
        if item.hasRefreshToken, !item.missing.isEmpty {
            remarks.append("to be refreshed it lacks \(item.missing.joined(separator: " and "))")
        }
        remarks += exposure
        if !item.alsoIn.isEmpty {
            remarks.append("the same token is in \(item.alsoIn.map { shown($0) }.joined(separator: ", "))")
        }
        if item.willBeHeld, item.action != .copy {
            remarks.append("held: the vault hands its token out, and \(item.tool) goes on refreshing it")
        }
        return remarks + item.notes
    }

    /// The same as a block of lines, each with its word in front.
    func block(_ columns: Int) -> [String] {
        let issuer = item.issuer.map { " at \(printable($0))" } ?? ""
        var lines = wrapped("\(action.filled(to: 10)) \(item.name)  \(item.tool)", columns, indent: 11)
        func add(_ word: String, _ text: String) {
            lines += wrapped("  \(word.filled(to: 8)) \(text)", columns, indent: 11)
        }
        add("file", file)
        if item.account != nil || item.issuer != nil {
            add("account", (item.account.map(printable) ?? "not said") + issuer)
        }
        add("expires", expiry)
        add("refresh", item.isRefreshable ? "yes" : item.missing.isEmpty ? "no" : "no, it lacks \(missing)")
        add("readable", item.exposure.readers == .owner ? "by its owner" : "by \(item.exposure.readers.rawValue)")
        let lacks = item.hasRefreshToken && !item.missing.isEmpty
        for remark in remarks.dropFirst(lacks ? 1 : 0) { add("note", remark) }
        return lines
    }

    private var missing: String { item.missing.joined(separator: " and ") }

    private var action: String { item.action.rawValue }

    private var file: String {
        let place = item.pointer.isEmpty ? "" : " \(printable(item.pointer))"
        return shown(item.path) + place
    }

    private var expiry: String {
        switch item.expiry {
        case .known(let end) where end <= now: "\(end) (past)"
        case .known(let end): end.description
        case .unknown: "unknown"
        case .never: "never"
        }
    }

    private var exposure: [String] {
        var exposure: [String] = []
        let mode = "0" + String(item.exposure.mode, radix: 8)
        switch item.exposure.readers {
        case .others: exposure.append("exposed: everybody on this machine can read it (mode \(mode))")
        case .group: exposure.append("exposed: its group can read it (mode \(mode))")
        case .owner: break
        }
        if let tree = item.exposure.workTree {
            let tracked =
                switch item.exposure.isTracked {
                case true?: "; git tracks it, so its tokens are in the history"
                case false?: "; git does not track it"
                case nil: ""
                }
            exposure.append("exposed: in a git work tree, \(shown(tree))\(tracked)")
        }
        if let folder = item.exposure.syncedFolder, let service = item.exposure.syncService {
            exposure.append("exposed: in a folder that \(service) copies, \(shown(folder))")
        }
        return exposure
    }

    /// A path as people write it.
    private func shown(_ path: String) -> String {
        guard let home, home != "/", path == home || path.hasPrefix(home + "/") else { return printable(path) }
        return printable("~" + path.dropFirst(home.count))
    }
}

extension FileAside {
    /// The sentence, with the path in front where it does not name it.
    var line: String {
        let shown = printable(path)
        return sentence.contains(shown) ? sentence : "\(shown): \(sentence)"
    }
}

/// A text broken between words, so that no line is wider than it may be; a word that is wider stays whole.
private func wrapped(_ text: String, _ columns: Int, indent: Int) -> [String] {
    guard text.count > columns else { return [text] }
    var lines: [String] = []
    var line = String(text.prefix { $0 == " " })
    var isEmpty = true
    for word in text.split(separator: " ", omittingEmptySubsequences: false).drop(while: \.isEmpty) {
        if !isEmpty, line.count + 1 + word.count > columns {
            lines.append(String(line.reversed().drop { $0 == " " }.reversed()))
            line = String(repeating: " ", count: indent)
            isEmpty = true
            if word.isEmpty { continue }
        }
        line += isEmpty ? String(word) : " " + word
        isEmpty = false
    }
    return lines + [line]
}

private func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

extension String {
    fileprivate func filled(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
