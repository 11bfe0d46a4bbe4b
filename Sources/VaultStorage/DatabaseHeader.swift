internal import Glibc
internal import PrivateFiles

/// The first 100 bytes of a SQLite file, read before SQLite is let near it.
///
/// Opening a file with SQLite is not harmless: it replays a journal that lies beside it, into a file that may be
/// anyone's. So what a file is gets decided here.
struct DatabaseHeader {
    static let length = 100

    let bytes: [UInt8]

    /// Reads it without moving the descriptor's position; short where the file is.
    init(_ descriptor: borrowing Descriptor) throws(FileError) {
        var buffer = [UInt8](repeating: 0, count: Self.length)
        let number = descriptor.rawValue
        let count = buffer.withUnsafeMutableBytes { pread(number, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw FileError.system("read", descriptor.path) }
        bytes = Array(buffer.prefix(count))
    }

    var isSQLite: Bool { bytes.count == Self.length && bytes.starts(with: "SQLite format 3\0".utf8) }

    /// Whether the file is in WAL mode: its read or write version is not that of a rollback journal.
    var usesWriteAheadLog: Bool { bytes[18] != 1 || bytes[19] != 1 }

    var userVersion: UInt32 { bigEndian(at: 60) }

    var applicationID: UInt32 { bigEndian(at: 68) }

    private func bigEndian(at offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
