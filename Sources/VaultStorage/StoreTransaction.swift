internal import FoundationEssentials
internal import GRDB

/// The steps of one write to a store, inside its transaction.
///
/// What they throw rolls all of it back.
struct StoreTransaction {
    let database: Database
    let path: String

    /// Refuses to go on unless the header has that generation.
    func requireHeader(_ expected: UInt64) throws {
        guard let row = try database.firstRow("SELECT generation FROM header") else {
            throw StoreError(.damaged, path, "is damaged: it has no header")
        }
        let found = try StoredValues(row: row, path: path).unsigned(0)
        guard found == expected else { throw StoreError.headerMoved(path, found: found, expected: expected) }
    }

    func put(_ header: StoredHeader) throws {
        try database.run(
            "UPDATE header SET generation = ?, bytes = ?",
            [Int64(header.generation), Data(header.bytes)]
        )
    }

    func apply(_ change: RecordChange) throws {
        let row = try database.firstRow("SELECT generation FROM record WHERE id = ?", [Data(change.id.bytes)])
        let found = try row.map { try StoredValues(row: $0, path: path).unsigned(0) }
        try change.check(found: found, subject: path)
        switch change {
        case .put(let record, let replacing):
            let arguments: StatementArguments = [
                Int64(record.generation), Data(record.sealed), Data(record.id.bytes),
            ]
            if replacing == nil {
                try database.run("INSERT INTO record (generation, sealed, id) VALUES (?, ?, ?)", arguments)
            } else {
                try database.run("UPDATE record SET generation = ?, sealed = ? WHERE id = ?", arguments)
            }
        case .delete(let id, _):
            try database.run("DELETE FROM record WHERE id = ?", [Data(id.bytes)])
        }
    }

    /// Notes that something changed.
    func count() throws {
        try database.run("UPDATE counter SET value = value + 1")
        guard database.changesCount == 1 else {
            throw StoreError(.damaged, path, "is damaged: it has no change counter")
        }
    }
}
