internal import VaultAPI
internal import VaultCrypto

/// A line as the log keeps it: 1 KiB whatever it says, so that its length tells nothing.
///
///     magic            4   "AULN"                       (all of it inside the seal)
///     version          2   1
///     vault UUID      16
///     number           8
///     previous        32   BLAKE2b-256 of the sealed line before; zeros for the first line
///     time            12   seconds since 1970 (8), nanoseconds (4)
///     fields               padded with 0x80 and zeros
///
/// `Schemas/audit.json` says the same as data.
extension AuditLine {
    static let sealedBytes = 1024
    static let linkBytes = 32
    static let firstLink = [UInt8](repeating: 0, count: linkBytes)
    static let fingerprintBytes = 16
    /// How many breaks one line can acknowledge.
    static let maximumAcknowledged = 32
    private static let magic = Array("AULN".utf8)
    private static let version: UInt16 = 1
    private static let plainBytes = sealedBytes - SecretBox.overhead
    /// Of each program's path its end is kept: that is where the name stands.
    private static let longestProgram = 90
    private static let longestText = 160

    private enum Tag: UInt16 {
        case event = 1
        case outcome, name, entry, via, processID, userID, program
        case unwritten, torn, broken, oldest, acknowledged
    }

    /// BLAKE2b-256 of a sealed line: what the next one is chained to.
    static func link(of sealed: [UInt8]) -> [UInt8] {
        var hash = Blake2b()
        hash.update("vault audit line")
        hash.update(sealed)
        return hash.finish()
    }

    /// The line, sealed.
    func sealed(vault: VaultID, under key: SharedSecret) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(Self.version)
        writer.append(vault.bytes)
        writer.append(number)
        writer.append(previous)
        writer.append(time)
        writer.append(encodedFields)
        var plain = writer.bytes
        precondition(plain.count < Self.plainBytes, "VaultCore: an audit line is too long")
        plain.append(0x80)
        plain += [UInt8](repeating: 0, count: Self.plainBytes - plain.count)
        return key.withSecret { key in plain.withUnsafeBytes { SecretBox.seal($0, under: key) } }
    }

    /// Reads a sealed line; `nil` if it was not sealed under that key for that vault, or has another version.
    init?(_ sealed: [UInt8], vault: VaultID, under key: SharedSecret) {
        guard sealed.count == Self.sealedBytes else { return nil }
        let plain = key.withSecret { key in try? SecretBox.openPublic(sealed[...], under: key) }
        guard let plain else { return nil }
        self.init(plain: plain, vault: vault)
    }

    /// Reads what is inside the seal.
    init?(plain: [UInt8], vault: VaultID) {
        guard let end = plain.lastIndex(where: { $0 != 0 }), plain[end] == 0x80 else { return nil }
        var reader = ByteReader(Array(plain[..<end]))
        guard reader.read(4) == Self.magic, reader.integer(UInt16.self) == Self.version,
            reader.read(16) == vault.bytes, let number = reader.integer(UInt64.self),
            let previous = reader.read(Self.linkBytes), let time = reader.timestamp(), let fields = reader.fields()
        else { return nil }
        self.init(number: number, previous: previous, time: time, event: "")
        guard read(fields) else { return nil }
    }

    private var encodedFields: [UInt8] {
        var writer = ByteWriter()
        func add(_ tag: Tag, _ bytes: [UInt8]) { writer.append(Field(tag: tag.rawValue, bytes: bytes)) }
        func add(_ tag: Tag, _ number: some FixedWidthInteger) {
            var bytes = ByteWriter()
            bytes.append(number)
            add(tag, bytes.bytes)
        }
        add(.event, Self.bytes(event, atMost: 32))
        add(.outcome, Self.bytes(outcome, atMost: Self.longestText))
        // The longest name fits: it must not be cut, for it may be looked for.
        if let name { add(.name, Array(name.utf8)) }
        if let entry { add(.entry, entry.bytes) }
        if unwritten > 0 { add(.unwritten, unwritten) }
        if torn > 0 { add(.torn, torn) }
        if let oldest { add(.oldest, oldest) }
        if let broken {
            var bytes = ByteWriter()
            bytes.append(broken.expected)
            bytes.append(broken.found)
            bytes.append(Self.bytes(broken.reason, atMost: Self.longestText))
            add(.broken, bytes.bytes)
        }
        for fingerprint in acknowledged.prefix(Self.maximumAcknowledged) { add(.acknowledged, fingerprint) }
        if let caller {
            add(.via, Array(caller.via.rawValue.utf8))
            add(.processID, caller.processID)
            add(.userID, caller.userID)
            let room = Self.plainBytes - 75 - 6
            for program in caller.programs {
                let bytes = Self.end(of: program)
                guard writer.bytes.count + bytes.count <= room else { break }
                add(.program, bytes)
            }
        }
        return writer.bytes
    }

    private mutating func read(_ fields: [Field]) -> Bool {
        var (via, processID, userID): (Caller.Via?, Int32?, UInt32?)
        var programs: [String] = []
        for field in fields {
            guard let tag = Tag(rawValue: field.tag) else { continue }
            var value = ByteReader(field.bytes)
            switch tag {
            case .event, .outcome, .name, .via, .program:
                guard let text = String(validating: field.bytes, as: UTF8.self) else { return false }
                switch tag {
                case .event: event = text
                case .outcome: outcome = text
                case .name: name = text
                case .via: via = Caller.Via(rawValue: text)
                default: programs.append(text)
                }
            case .entry:
                guard let id = EntryID(field.bytes) else { return false }
                entry = id
            case .processID: processID = value.integer(Int32.self)
            case .userID: userID = value.integer(UInt32.self)
            case .unwritten:
                guard let count = value.integer(UInt64.self) else { return false }
                unwritten = count
            case .torn:
                guard let count = value.integer(UInt32.self) else { return false }
                torn = count
            case .oldest:
                guard let first = value.integer(UInt64.self) else { return false }
                oldest = first
            case .broken:
                guard let expected = value.integer(UInt64.self), let found = value.integer(UInt64.self),
                    let reason = value.read(field.bytes.count - value.position),
                    let reason = String(validating: reason, as: UTF8.self)
                else { return false }
                broken = AuditBreak(expected: expected, found: found, reason: reason)
            case .acknowledged:
                guard field.bytes.count == Self.fingerprintBytes else { return false }
                acknowledged.append(field.bytes)
            }
        }
        if let via, let processID, let userID {
            caller = Caller(processID: processID, userID: userID, via: via, programs: programs)
        }
        return true
    }

    /// The beginning of a text, cut between characters.
    private static func bytes(_ text: String, atMost limit: Int) -> [UInt8] {
        var text = text
        while text.utf8.count > limit { text.removeLast() }
        return Array(text.utf8)
    }

    private static func end(of program: String) -> [UInt8] {
        guard program.utf8.count > longestProgram else { return Array(program.utf8) }
        var text = program
        while text.utf8.count > longestProgram { text.removeFirst() }
        return Array("…\(text)".utf8)
    }
}
