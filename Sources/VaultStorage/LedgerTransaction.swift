internal import FoundationEssentials
internal import GRDB

/// The steps by which a ledger is read and written, on its connection's queue.
struct LedgerTransaction {
    let database: Database
    let path: String

    func header() throws -> SeenHeader? {
        guard let row = try database.firstRow("SELECT generation, digest, counter FROM header") else { return nil }
        let values = StoredValues(row: row, path: path)
        let digest = try values.bytes(1)
        guard digest.count == SeenHeader.digestLength else {
            throw values.damaged("a digest has \(digest.count) bytes, expected \(SeenHeader.digestLength)")
        }
        return SeenHeader(
            generation: try values.unsigned(0),
            digest: digest,
            changeCounter: try values.unsigned(2)
        )
    }

    func generation(of id: RecordID) throws -> UInt64? {
        let row = try database.firstRow("SELECT generation FROM record WHERE id = ?", [Data(id.bytes)])
        return try row.map { try StoredValues(row: $0, path: path).unsigned(0) }
    }

    func rises(_ header: SeenHeader) throws -> Bool {
        guard let seen = try self.header() else { return true }
        return seen.raised(by: header) != seen
    }

    func rises(_ id: RecordID, _ generation: UInt64) throws -> Bool {
        guard let seen = try self.generation(of: id) else { return true }
        return generation > seen
    }

    func raise(_ header: SeenHeader) throws {
        try set(self.header()?.raised(by: header) ?? header)
    }

    func raise(_ id: RecordID, _ generation: UInt64) throws {
        try database.run(
            """
            INSERT INTO record (id, generation) VALUES (?, ?)
            ON CONFLICT (id) DO UPDATE SET generation = max(generation, excluded.generation)
            """,
            [Data(id.bytes), Int64(generation)]
        )
    }

    func forget(_ id: RecordID) throws {
        try database.run("DELETE FROM record WHERE id = ?", [Data(id.bytes)])
    }

    func set(_ header: SeenHeader) throws {
        try database.run(
            "INSERT OR REPLACE INTO header (id, generation, digest, counter) VALUES (1, ?, ?, ?)",
            [Int64(header.generation), Data(header.digest), Int64(header.changeCounter)]
        )
    }
}
