internal import StrictJSON
internal import VaultAPI

/// A table of another program's database that holds tokens: what of it is looked at.
struct SQLiteTable: Sendable {
    let name: String
    /// The column that names a row; the first of these that is there.
    let keys: [String]
    /// What else of a row is read.
    let columns: [String]

    /// All that formats know; the rest of a database is nobody's business here.
    static let all = [
        // gcloud's credentials.db and access_tokens.db.
        SQLiteTable(name: "credentials", keys: ["account_id"], columns: ["value"]),
        SQLiteTable(
            name: "access_tokens",
            keys: ["account_id"],
            columns: ["access_token", "token_expiry", "rapt_token", "id_token"]
        ),
        // GitHub Copilot's auth.db: one authority may have several tokens.
        SQLiteTable(
            name: "oauth_tokens",
            keys: ["token_id", "auth_authority"],
            columns: ["auth_authority", "token_ciphertext", "last_used_at"]
        ),
        // Kiro CLI's data.sqlite3.
        SQLiteTable(name: "auth_kv", keys: ["key"], columns: ["value"]),
    ]

    /// The table as one database has it, or `nil` where it has none of that name with a key.
    ///
    /// A view or virtual table of that name is none: whoever reads it runs what its author wrote.
    func layout(on connection: SQLiteConnection) throws(VaultError) -> Layout? {
        let schema = try SQLiteStatement(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name = ?1",
            on: connection
        )
        try schema.bind(name, at: 1)
        guard try schema.step() else { return nil }
        let info = try SQLiteStatement("PRAGMA table_xinfo(\(Self.quoted(name)))", on: connection)
        var all: [String] = []
        while try info.step() {
            // Generated and hidden columns have no value of their own.
            guard info.integer(6) == 0 else { continue }
            all.append(info.name(1))
        }
        guard let key = keys.first(where: all.contains) else { return nil }
        let wanted = columns.filter { $0 != key && all.contains($0) }
        guard !wanted.isEmpty else { return nil }
        return Layout(name: name, columns: [key] + wanted, stored: all)
    }

    /// A name in a statement.
    static func quoted(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    struct Layout {
        let name: String
        /// The key first.
        let columns: [String]
        /// All that a row consists of.
        let stored: [String]

        var key: String { columns[0] }

        func select(_ columns: [String], where condition: String = "") -> String {
            "SELECT \(columns.map(SQLiteTable.quoted).joined(separator: ", ")) FROM \(SQLiteTable.quoted(name))\(condition)"
        }

        /// A condition that holds for one row: `?1` is its key.
        var isRow: String { " WHERE \(SQLiteTable.quoted(key)) IS ?1" }
    }
}
