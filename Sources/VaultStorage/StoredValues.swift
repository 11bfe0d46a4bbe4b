internal import FoundationEssentials
internal import GRDB

/// Reads columns strictly: what has another type or range than we wrote is damage, not something to convert.
struct StoredValues {
    let row: Row
    let path: String

    func bytes(_ index: Int) throws(StoreError) -> [UInt8] {
        guard case .blob(let data) = value(index) else { throw damaged("a value is missing, too large or no bytes") }
        return [UInt8](data)
    }

    func unsigned(_ index: Int) throws(StoreError) -> UInt64 {
        guard case .int64(let number) = value(index), let unsigned = UInt64(exactly: number) else {
            throw damaged("a number is missing, negative or no number")
        }
        return unsigned
    }

    func recordID(_ index: Int) throws(StoreError) -> RecordID {
        let bytes = try bytes(index)
        guard let id = RecordID(bytes) else {
            throw damaged("a record id has \(bytes.count) bytes, expected \(RecordID.length)")
        }
        return id
    }

    func damaged(_ message: String) -> StoreError { StoreError(.damaged, path, "is damaged: \(message)") }

    private func value(_ index: Int) -> DatabaseValue.Storage {
        let value: DatabaseValue = row[index]
        return value.storage
    }
}

extension Database {
    /// The first row of a statement that is prepared once for each connection.
    func firstRow(_ sql: String, _ arguments: StatementArguments = StatementArguments()) throws -> Row? {
        try Row.fetchOne(cachedStatement(sql: sql), arguments: arguments)
    }

    /// Runs a statement that is prepared once for each connection.
    func run(_ sql: String, _ arguments: StatementArguments = StatementArguments()) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}
