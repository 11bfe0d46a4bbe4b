internal import VaultAPI

/// The refresh journal as a field. `Schemas/entry.json` shows the layout.
extension RefreshJournal {
    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(spent)
        writer.append(startedAt)
        writer.append(boot)
        writer.append(sendBefore)
        writer.append(lostAnswers)
        return writer.bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let spent = reader.read(32), let startedAt = reader.timestamp(), let boot = reader.read(16),
            let sendBefore = reader.integer(UInt64.self), let lostAnswers = reader.integer(UInt32.self), reader.isAtEnd
        else { return nil }
        self.init(
            spent: Array(spent),
            startedAt: startedAt,
            sendBefore: sendBefore,
            boot: Array(boot),
            lostAnswers: lostAnswers
        )
    }
}

/// The last failure as a field.
extension RefreshFailure {
    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(at)
        writer.append(retryAt)
        writer.append(count)
        writer.append(unclear)
        writer.append(kind.rawValue)
        writer.append(Array(reason.utf8))
        return writer.bytes
    }

    init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let at = reader.timestamp(), let retryAt = reader.timestamp(), let count = reader.integer(UInt32.self),
            let unclear = reader.integer(UInt32.self),
            let kind = reader.integer(UInt16.self).flatMap({ Kind(rawValue: $0) }),
            let text = reader.read(bytes.count - reader.position), let reason = String(validating: text, as: UTF8.self)
        else { return nil }
        self.init(at: at, retryAt: retryAt, count: count, unclear: unclear, kind: kind, reason: reason)
    }
}

extension ByteWriter {
    mutating func append(_ time: Timestamp) {
        append(time.seconds)
        append(time.nanoseconds)
    }
}

extension ByteReader {
    mutating func timestamp() -> Timestamp? {
        guard let seconds = integer(Int64.self), let nanoseconds = integer(UInt32.self) else { return nil }
        return Timestamp(seconds: seconds, nanoseconds: nanoseconds)
    }
}
