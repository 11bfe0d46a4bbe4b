internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// What a database says, as a JSON document: `{table: {key: {column: value}}}`.
///
/// A value that is a JSON object itself appears as one, so that a format sees through both.
struct SQLiteView {
    /// More rows are no store of tokens.
    private static let maximumRows = 10_000
    /// A larger value is no token.
    private static let maximumCellBytes = 1 << 20

    /// The view of a file's bytes.
    static func document(_ bytes: SharedSecret, subject: String) throws(VaultError) -> JSONDocument {
        try bytes.withBytes { (bytes) throws(VaultError) in
            try document(of: SQLiteConnection(bytes, writable: false, subject: subject))
        }
    }

    /// The view of an open database.
    static func document(of connection: SQLiteConnection) throws(VaultError) -> JSONDocument {
        var writer = try SQLiteView(connection.subject)
        try writer.write("{")
        var isFirst = true
        for table in SQLiteTable.all {
            guard let layout = try table.layout(on: connection) else { continue }
            try writer.write(isFirst ? "" : ",")
            isFirst = false
            try writer.table(layout, connection)
        }
        try writer.write("}")
        let subject = connection.subject
        return try JSONDocument(try writer.finish(), subject: subject)
    }

    private let subject: String
    private var rows = 0
    private var text: Box

    /// Keeps what cannot be copied out of what throws while it is changed.
    private final class Box {
        var buffer: SecretBuffer

        init() throws(CryptoError) { buffer = try SecretBuffer(capacity: 4096) }
    }

    private init(_ subject: String) throws(VaultError) {
        self.subject = subject
        do { text = try Box() } catch { throw Self.memory(error, subject) }
    }

    private mutating func table(_ layout: SQLiteTable.Layout, _ connection: SQLiteConnection) throws(VaultError) {
        try string(Array(layout.name.utf8).span.bytes)
        try write(":{")
        let statement = try SQLiteStatement(layout.select(layout.columns), on: connection)
        var count = 0
        while try statement.step() {
            rows += 1
            guard rows <= Self.maximumRows else {
                throw VaultError(.damaged, "\(subject) has more than \(Self.maximumRows) rows, which is no token file")
            }
            // What has no name cannot be pointed at.
            guard statement.kind(0) != .null else { continue }
            try write(count == 0 ? "" : ",")
            count += 1
            try key(statement)
            try write(":{")
            for (index, column) in layout.columns.enumerated() {
                try write(index == 0 ? "" : ",")
                try string(Array(column.utf8).span.bytes)
                try write(":")
                try cell(index, statement)
            }
            try write("}")
        }
        try write("}")
    }

    /// The first column as a member's name.
    private mutating func key(_ statement: SQLiteStatement) throws(VaultError) {
        switch statement.kind(0) {
        case .integer: try write("\"\(statement.integer(0))\"")
        case .real, .null: throw VaultError(.damaged, "\(subject) has a row whose key is no text")
        case .text, .blob:
            try statement.withBytes(0) { (bytes) throws(VaultError) in
                guard bytes.count <= 4096 else {
                    throw VaultError(.damaged, "\(subject) has a key of \(bytes.count) bytes")
                }
                try string(bytes)
            }
        }
    }

    private mutating func cell(_ column: Int, _ statement: SQLiteStatement) throws(VaultError) {
        switch statement.kind(column) {
        case .null: try write("null")
        case .integer: try write("\(statement.integer(column))")
        case .real:
            let number = statement.real(column)
            try write(number.isFinite ? "\(number)" : "null")
        case .text, .blob:
            try statement.withBytes(column) { (bytes) throws(VaultError) in
                guard bytes.count <= Self.maximumCellBytes else {
                    throw VaultError(.damaged, "\(subject) has a value of \(bytes.count) bytes, which is no token")
                }
                if Self.isObject(bytes, subject) { try append(bytes) } else { try string(bytes) }
            }
        }
    }

    /// Whether a value is a JSON object.
    static func isObject(_ bytes: UnsafeRawBufferPointer, _ subject: String) -> Bool {
        guard bytes.first == UInt8(ascii: "{"), let copy = try? SecretBytes(copying: bytes) else { return false }
        return (try? JSONDocument(SharedSecret(copy), subject: subject)) != nil
    }

    // MARK: Writing

    private func write(_ text: String) throws(VaultError) {
        do { try self.text.buffer.append(Array(text.utf8)) } catch { throw Self.memory(error, subject) }
    }

    private func append(_ bytes: UnsafeRawBufferPointer) throws(VaultError) {
        do { try text.buffer.append(bytes) } catch { throw Self.memory(error, subject) }
    }

    private func string(_ bytes: RawSpan) throws(VaultError) {
        try bytes.withUnsafeBytes { (bytes) throws(VaultError) in try string(bytes) }
    }

    /// A JSON string (RFC 8259 §7).
    ///
    /// Bytes that are no UTF-8 are no token either and are written in hexadecimal digits, so that they compare.
    private func string(_ bytes: UnsafeRawBufferPointer) throws(VaultError) {
        let digits = Array("0123456789abcdef".utf8)
        do throws(CryptoError) {
            try text.buffer.append("\"")
            if String(validating: bytes, as: UTF8.self) == nil {
                for byte in bytes { try text.buffer.append([digits[Int(byte >> 4)], digits[Int(byte & 15)]]) }
            } else {
                for byte in bytes {
                    switch byte {
                    case UInt8(ascii: "\""), UInt8(ascii: "\\"): try text.buffer.append([UInt8(ascii: "\\"), byte])
                    case 0..<0x20:
                        try text.buffer.append("\\u00")
                        try text.buffer.append([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
                    default: try text.buffer.append(byte)
                    }
                }
            }
            try text.buffer.append("\"")
        } catch { throw Self.memory(error, subject) }
    }

    private func finish() throws(VaultError) -> SharedSecret {
        do throws(CryptoError) {
            let bytes = try text.buffer.withUnsafeBytes { (bytes) throws(CryptoError) in try SecretBytes(copying: bytes)
            }
            return SharedSecret(bytes)
        } catch { throw Self.memory(error, subject) }
    }

    private static func memory(_ error: CryptoError, _ subject: String) -> VaultError {
        VaultError(.failed, "\(subject) cannot be held in memory: \(error.message)", underlying: error)
    }
}
