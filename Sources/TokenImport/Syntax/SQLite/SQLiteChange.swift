internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A change of one row: it goes, or some of its columns do, or members of JSON in them.
struct SQLiteChange {
    let table: String
    /// The row in the view.
    let row: JSONValue
    var isRemoved = false
    /// What of each column changes, by its name.
    private var columns: [String: Column] = [:]

    private struct Column {
        /// Members inside of JSON that go, as names from the column's value on.
        var removed: [[String]] = []
        /// What comes where; an empty path is the whole value.
        var replaced: [(path: [String], value: Replacement)] = []
    }

    private init(table: String, row: JSONValue) {
        self.table = table
        self.row = row
    }

    /// The rows that all of these stand in.
    ///
    /// - Parameter touched: Rows that are meant whatever changes in them.
    static func grouped(
        removed: [JSONValue],
        replaced: [Replacement],
        touched: [JSONValue] = []
    ) throws(VaultError) -> [SQLiteChange] {
        var changes: [SQLiteChange] = []
        func index(of value: JSONValue) throws(VaultError) -> (Int, [String]) {
            var path: [JSONValue] = []
            var next: JSONValue? = value
            while let current = next, current.parent != nil {
                path.append(current)
                next = current.parent
            }
            path.reverse()
            guard path.count >= 2 else {
                throw VaultError(.unsafe, "\(value.subject) is a whole table, which is not ours to change")
            }
            let names = path.dropFirst(2).map(\.name)
            if let known = changes.firstIndex(where: { $0.row.index == path[1].index }) { return (known, names) }
            changes.append(SQLiteChange(table: path[0].name, row: path[1]))
            return (changes.count - 1, names)
        }
        for member in removed {
            let (place, names) = try index(of: member)
            if let column = names.first, names.count > 1 {
                changes[place].columns[column, default: Column()].removed.append(Array(names.dropFirst()))
            } else {
                // A row without its token says nothing.
                changes[place].isRemoved = true
            }
        }
        for value in replaced {
            let (place, names) = try index(of: value.value)
            guard let column = names.first else { throw value.value.mismatch(expected: "a value in a column") }
            changes[place].columns[column, default: Column()].replaced.append((Array(names.dropFirst()), value))
        }
        for value in touched { _ = try index(of: value) }
        return changes
    }

    /// Makes the change, and sees that it concerned one row.
    func apply(to connection: SQLiteConnection) throws(VaultError) {
        guard isRemoved || !columns.isEmpty else { return }
        let layout = try layout(on: connection)
        if isRemoved {
            let statement = try SQLiteStatement(
                "DELETE FROM \(SQLiteTable.quoted(table))\(layout.isRow)",
                on: connection
            )
            try bindKey(layout, statement)
            while try statement.step() {}
            return try requireOne(connection)
        }
        for (name, column) in columns { try update(name, column, layout, connection) }
    }

    /// Puts the row as another database has it into this one.
    func insert(from original: SQLiteConnection, into connection: SQLiteConnection) throws(VaultError) {
        let (old, new) = (try layout(on: original), try layout(on: connection))
        let columns = old.stored.filter(new.stored.contains)
        let source = try SQLiteStatement(old.select(columns, where: old.isRow), on: original)
        try bindKey(old, source)
        guard try source.step() else {
            throw VaultError(.damaged, "\(row.subject) is not in the database it came from")
        }
        let names = columns.map(SQLiteTable.quoted).joined(separator: ", ")
        let marks = columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        let statement = try SQLiteStatement(
            "INSERT INTO \(SQLiteTable.quoted(table)) (\(names)) VALUES (\(marks))",
            on: connection
        )
        for column in columns.indices { try statement.bind(column, of: source, at: column + 1) }
        while try statement.step() {}
        try requireOne(connection)
    }

    private func layout(on connection: SQLiteConnection) throws(VaultError) -> SQLiteTable.Layout {
        guard let known = SQLiteTable.all.first(where: { $0.name == table }),
            let layout = try known.layout(on: connection)
        else { throw VaultError(.damaged, "\(connection.subject) has no table \(printable(table)) any more") }
        return layout
    }

    private func bindKey(_ layout: SQLiteTable.Layout, _ statement: SQLiteStatement) throws(VaultError) {
        guard let key = row[layout.key] else { throw VaultError(.damaged, "\(row.subject) has no key") }
        if key.kind == .number, let number = Int64(key.numberText) {
            try statement.bind(number, at: 1)
        } else {
            try statement.bind(row.name, at: 1)
        }
    }

    private func requireOne(_ connection: SQLiteConnection) throws(VaultError) {
        guard connection.changes == 1 else {
            throw VaultError(.damaged, "\(row.subject) is \(connection.changes) rows and not one; nothing was changed")
        }
    }

    private func update(
        _ name: String,
        _ column: Column,
        _ layout: SQLiteTable.Layout,
        _ connection: SQLiteConnection
    ) throws(VaultError) {
        let read = try SQLiteStatement(layout.select([name], where: layout.isRow), on: connection)
        try bindKey(layout, read)
        guard try read.step() else { throw VaultError(.damaged, "\(row.subject) is not in the database") }
        let isBlob = read.kind(0) == .blob
        let isNumber = read.kind(0) == .integer
        let text: SharedSecret
        if let whole = column.replaced.first(where: \.path.isEmpty) {
            text = whole.value.text
        } else {
            text = try edited(column, read)
        }
        let statement = try SQLiteStatement(
            "UPDATE \(SQLiteTable.quoted(table)) SET \(SQLiteTable.quoted(name)) = ?2\(layout.isRow)",
            on: connection
        )
        try bindKey(layout, statement)
        try text.withBytes { (bytes) throws(VaultError) in
            if isNumber, let number = Int64(String(decoding: bytes.prefix(20), as: UTF8.self)) {
                try statement.bind(number, at: 2)
            } else {
                try statement.bind(bytes, asBlob: isBlob, at: 2)
            }
        }
        while try statement.step() {}
        try requireOne(connection)
    }

    /// The JSON of a column with other members.
    private func edited(_ column: Column, _ read: SQLiteStatement) throws(VaultError) -> SharedSecret {
        let subject = row.subject
        let copy: SharedSecret
        do throws(CryptoError) {
            copy = SharedSecret(
                try read.withBytes(0) { (bytes) throws(CryptoError) in try SecretBytes(copying: bytes) }
            )
        } catch { throw VaultError(.failed, "\(subject) cannot be edited in memory: \(error.message)") }
        var document = try JSONDocument(copy, subject: subject)
        func find(_ path: [String]) throws(VaultError) -> JSONValue {
            var value = document.root
            for name in path {
                guard let next = value[name] else { throw VaultError(.failed, "\(value.subject) has no such member") }
                value = next
            }
            return value
        }
        if !column.replaced.isEmpty {
            var replacements: [Replacement] = []
            for (path, value) in column.replaced {
                replacements.append(Replacement(value: try find(path), text: value.text))
            }
            let bytes = SharedSecret(try JSONEdit(document: document).replacing(replacements))
            document = try JSONDocument(bytes, subject: subject)
        }
        if !column.removed.isEmpty {
            var members: [JSONValue] = []
            for path in column.removed { members.append(try find(path)) }
            let bytes = SharedSecret(try JSONEdit(document: document).removing(members))
            document = try JSONDocument(bytes, subject: subject)
        }
        return document.text
    }
}
