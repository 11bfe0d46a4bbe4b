internal import VaultAPI
internal import VaultCrypto

/// How far the audit log has come: sealed in `audit.head`, and written anew with every line.
///
///     magic            4   "AUHD"                       (all of it inside the seal)
///     version          2   1
///     vault UUID      16
///     number           8   of the last line
///     link            32   of the last line
///     file bytes       8   of `audit.log` with that line
///     oldest           8   number of the first line that is kept
///     unwritten        8   hand-outs since then that have no line
///     checkpoint    8+32   number and link of the line that the store remembers
///     checked at       8   seconds since 1970
///     zeros                up to 216 bytes
struct AuditHead: Hashable {
    static let sealedBytes = 256
    private static let magic = Array("AUHD".utf8)
    private static let version: UInt16 = 1
    private static let plainBytes = sealedBytes - SecretBox.overhead

    var number: UInt64 = 0
    var link = AuditLine.firstLink
    var fileBytes: UInt64 = 0
    var oldest: UInt64 = 1
    var unwritten: UInt64 = 0
    var checkpoint = AuditCheckpoint(number: 0, link: AuditLine.firstLink)
    var checkedAt: Int64 = 0

    /// A head before the first line.
    init() {}

    func sealed(vault: VaultID, under key: SharedSecret) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(Self.version)
        writer.append(vault.bytes)
        writer.append(number)
        writer.append(link)
        writer.append(fileBytes)
        writer.append(oldest)
        writer.append(unwritten)
        writer.append(checkpoint.number)
        writer.append(checkpoint.link)
        writer.append(checkedAt)
        let plain = writer.bytes + [UInt8](repeating: 0, count: Self.plainBytes - writer.bytes.count)
        return key.withSecret { key in plain.withUnsafeBytes { SecretBox.seal($0, under: key) } }
    }

    /// `nil` if the bytes are no head of that vault under that key.
    init?(_ sealed: [UInt8], vault: VaultID, under key: SharedSecret) {
        guard sealed.count == Self.sealedBytes else { return nil }
        let plain = key.withSecret { key in try? SecretBox.openPublic(sealed[...], under: key) }
        guard let plain else { return nil }
        var reader = ByteReader(plain)
        guard reader.read(4) == Self.magic, reader.integer(UInt16.self) == Self.version,
            reader.read(16) == vault.bytes, let number = reader.integer(UInt64.self),
            let link = reader.read(AuditLine.linkBytes), let fileBytes = reader.integer(UInt64.self),
            let oldest = reader.integer(UInt64.self), let unwritten = reader.integer(UInt64.self),
            let checkpoint = AuditCheckpoint(&reader), let checkedAt = reader.integer(Int64.self),
            // What was authenticated was written by us; this keeps arithmetic on it from trapping all the same.
            number < .max / 2, fileBytes < .max / 2, unwritten < .max / 2
        else { return nil }
        self.number = number
        self.link = link
        self.fileBytes = fileBytes
        self.oldest = oldest
        self.unwritten = unwritten
        self.checkpoint = checkpoint
        self.checkedAt = checkedAt
    }
}

/// A line that the store remembers, so that both files put back or removed are noticed too.
struct AuditCheckpoint: Hashable {
    var number: UInt64
    var link: [UInt8]

    init(number: UInt64, link: [UInt8]) {
        self.number = number
        self.link = link
    }

    init?(_ reader: inout ByteReader) {
        guard let number = reader.integer(UInt64.self), let link = reader.read(AuditLine.linkBytes), number < .max / 2
        else { return nil }
        self.init(number: number, link: link)
    }

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(number)
        writer.append(link)
        return writer.bytes
    }
}
