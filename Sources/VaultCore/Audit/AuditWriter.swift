internal import PrivateFiles
internal import VaultAPI
internal import VaultCrypto

/// The end of an audit log, open for one more line; its user holds the log's lease.
///
/// Opening it mends what a kill can leave: a line that the head does not know of is taken over, one that was not
/// finished is cut off. Everything else that does not fit is a break: it stays as it is, and the next line says so.
struct AuditWriter: ~Copyable {
    let files: AuditFiles
    let vault: VaultID
    let key: SharedSecret
    private(set) var head: AuditHead
    /// What was found broken and is to be said by a line of its own.
    private(set) var broken: AuditBreak?
    /// Whether a line could not be written, and the head says so.
    private(set) var hasCountedLoss = false
    private var log: Descriptor?
    private var headFile: Descriptor?
    private var torn: UInt32 = 0
    /// The first number that will be kept, where the next line begins a file and the oldest one went for it.
    private var droppedBefore: UInt64?

    /// Opens the end of the log.
    ///
    /// - Parameters:
    ///   - head: What `readHead` found.
    ///   - checkpoint: The line that the store remembers, as far as it is known; asked for where there is no head.
    init(
        _ files: AuditFiles,
        vault: VaultID,
        key: SharedSecret,
        head found: AuditHead?,
        checkpoint: AuditCheckpoint?
    ) throws(FileError) {
        self.files = files
        self.vault = vault
        self.key = key
        head = found ?? AuditHead()
        log = try AuditFiles.open(files.log, forWriting: true)
        headFile = try AuditFiles.open(files.head, forWriting: true)
        let hasHead = headFile != nil
        let size = try log?.wholeLines() ?? (bytes: 0, torn: 0)
        let whole = size.bytes
        torn = UInt32(size.torn)
        var reason: String?
        if found != nil {
            reason = try follow(upTo: whole)
        } else if hasHead {
            reason = "audit.head does not open: it is damaged, or of another vault"
        } else if let checkpoint {
            reason = "audit.head is gone, and there were \(checkpoint.number) lines"
        } else if whole > 0 || !files.olderFiles.isEmpty {
            // The very first line may have been written without a head.
            reason = try follow(upTo: whole)
            if reason != nil || !files.olderFiles.isEmpty || whole > UInt64(AuditLine.sealedBytes) {
                reason = "audit.head is gone"
            }
        }
        guard let reason else { return }
        let last = try lastReadable(upTo: whole)
        let known = max(found?.number ?? 0, checkpoint?.number ?? 0)
        broken = AuditBreak(expected: known, found: last?.number ?? 0, reason: reason)
        if found == nil, let checkpoint {
            head.checkpoint = checkpoint
            head.link = checkpoint.link
        }
        head.number = max(known, last?.number ?? 0)
        head.fileBytes = whole
    }

    /// The head of the log; `nil` where there is none that opens.
    static func readHead(_ files: AuditFiles, vault: VaultID, key: SharedSecret) throws(FileError) -> AuditHead? {
        guard let file = try AuditFiles.open(files.head) else { return nil }
        return AuditHead(try file.read(upTo: AuditHead.sealedBytes + 1, at: 0), vault: vault, under: key)
    }

    /// Takes over the lines behind the head's.
    ///
    /// - Returns: What does not fit, in a sentence; the head is as it was then.
    private mutating func follow(upTo whole: UInt64) throws(FileError) -> String? {
        var next = head
        var end = head.fileBytes
        if whole < end, try isShifted() { end = 0 }
        guard whole >= end else {
            return whole == 0
                ? "audit.log is gone" : "audit.log ends before the line that audit.head says is the last one"
        }
        if end > 0 {
            guard AuditLine.link(of: try log?.lastLine(end: end) ?? []) == head.link else {
                return "the last line is not the one that audit.head says it is"
            }
        }
        next.fileBytes = end
        while next.fileBytes < whole {
            let sealed = try log?.line(at: next.fileBytes) ?? []
            guard let line = AuditLine(sealed, vault: vault, under: key), line.number == next.number + 1,
                line.previous == next.link
            else { return "what stands behind the last line is no next line" }
            next.number = line.number
            next.link = AuditLine.link(of: sealed)
            next.fileBytes += UInt64(AuditLine.sealedBytes)
            next.unwritten = 0
        }
        head = next
        return nil
    }

    /// Whether the head's line is the last one of the file before: a writer was killed as it began a new file.
    private func isShifted() throws(FileError) -> Bool {
        guard let file = try AuditFiles.open(files.old(1)), UInt64(try file.status().size) == head.fileBytes else {
            return false
        }
        return AuditLine.link(of: try file.lastLine(end: head.fileBytes)) == head.link
    }

    private func lastReadable(upTo whole: UInt64) throws(FileError) -> AuditLine? {
        if whole > 0 { return AuditLine(try log?.lastLine(end: whole) ?? [], vault: vault, under: key) }
        guard let newest = files.olderFiles.last, let file = try AuditFiles.open(newest) else { return nil }
        return AuditLine(try file.lastLine(end: try file.wholeLines().bytes), vault: vault, under: key)
    }

    /// Says that what the store remembers is not in the log: it was put back to an older copy.
    mutating func breakOff(expecting checkpoint: AuditCheckpoint) {
        broken = AuditBreak(
            expected: max(checkpoint.number, head.number),
            found: head.number,
            reason: "line \(checkpoint.number) is not the one that the vault remembers: an older copy was put back"
        )
        head.number = max(checkpoint.number, head.number)
        head.link = checkpoint.link
        head.checkpoint = checkpoint
    }

    /// The link of a line that is kept; `nil` where it is not where it should be.
    ///
    /// - Returns: `isDropped` for one that went with an old file.
    func link(ofLine number: UInt64) throws(FileError) -> (link: [UInt8]?, isDropped: Bool) {
        if number == head.number { return (head.link, false) }
        guard number >= head.oldest else { return (nil, true) }
        for path in [files.log] + files.olderFiles.reversed() {
            guard let file = try AuditFiles.open(path) else { continue }
            let lines = try file.wholeLines().bytes / UInt64(AuditLine.sealedBytes)
            var (low, high) = (UInt64(0), lines)
            // Numbers only grow; breaks leave gaps in them.
            while low < high {
                let middle = (low + high) / 2
                let sealed = try file.line(at: middle * UInt64(AuditLine.sealedBytes))
                guard let line = AuditLine(sealed, vault: vault, under: key) else { break }
                if line.number == number { return (AuditLine.link(of: sealed), false) }
                if line.number < number { low = middle + 1 } else { high = middle }
            }
        }
        return (nil, false)
    }

    /// Writes a line; before it, the one that a break calls for.
    mutating func append(_ event: AuditEvent, at time: Timestamp, acknowledging: [[UInt8]] = []) throws(FileError) {
        if let broken {
            var line = AuditLine(number: 0, previous: [], time: time, event: AuditEvent.Kind.broken.rawValue)
            line.broken = broken
            try append(&line)
            self.broken = nil
        }
        var line = AuditLine(number: 0, previous: [], time: time, event: event.kind.rawValue)
        line.outcome = event.outcome
        line.name = event.name?.description
        line.entry = event.entry
        line.caller = event.caller
        line.acknowledged = acknowledging
        try append(&line)
    }

    /// Writes the line that a break calls for, and nothing if there is none.
    mutating func appendBreak(at time: Timestamp) throws(FileError) {
        guard let broken else { return }
        var line = AuditLine(number: 0, previous: [], time: time, event: AuditEvent.Kind.broken.rawValue)
        line.broken = broken
        try append(&line)
        self.broken = nil
    }

    private mutating func append(_ line: inout AuditLine) throws(FileError) {
        do throws(FileError) {
            try beginFileIfFull()
            line.number = head.number + 1
            line.previous = head.link
            line.unwritten = head.unwritten
            line.torn = torn
            line.oldest = droppedBefore
            let sealed = line.sealed(vault: vault, under: key)
            if log == nil { log = try AuditFiles.make(files.log) }
            try write(sealed)
            head.number = line.number
            head.link = AuditLine.link(of: sealed)
            head.fileBytes += UInt64(sealed.count)
            head.unwritten = 0
            torn = 0
            droppedBefore = nil
        } catch {
            // On a full disk, the head can still be written over.
            head.unwritten += 1
            do throws(FileError) {
                try writeHead()
                hasCountedLoss = true
            } catch {}
            throw error
        }
        try writeHead()
    }

    private func write(_ sealed: [UInt8]) throws(FileError) {
        // Half a line that a kill left is written over or, where the disk is full now, cut off again.
        do throws(FileError) {
            if torn > 0 { try log?.truncate(to: Int64(head.fileBytes)) }
            try log?.write(sealed, at: Int64(head.fileBytes))
        } catch {
            do throws(FileError) { try log?.truncate(to: Int64(head.fileBytes)) } catch {}
            throw error
        }
    }

    private mutating func beginFileIfFull() throws(FileError) {
        guard head.fileBytes >= files.fullBytes else { return }
        var oldest: UInt64?
        try files.shift { next throws(FileError) in
            // The head knows before the file goes: lines are dropped by us, and missing otherwise.
            guard let file = try AuditFiles.open(next),
                let line = AuditLine(try file.line(at: 0), vault: self.vault, under: self.key)
            else { return }
            oldest = line.number
            var head = self.head
            head.oldest = line.number
            try self.headFile?.write(head.sealed(vault: self.vault, under: self.key), at: 0)
        }
        if let oldest {
            head.oldest = oldest
            droppedBefore = oldest
        }
        head.fileBytes = 0
        log = try AuditFiles.make(files.log)
    }

    /// Notes what the store remembers now.
    mutating func remember(_ checkpoint: AuditCheckpoint, at seconds: Int64) throws(FileError) {
        head.checkpoint = checkpoint
        head.checkedAt = seconds
        try writeHead()
    }

    /// Makes the lines so far survive a power failure: what the store remembers must not be ahead of the log.
    func synchronize() throws(FileError) {
        try log?.synchronize()
        try headFile?.synchronize()
    }

    /// Notes hand-outs without a line that only the process that gave them knew of.
    mutating func add(unwritten count: UInt64) { head.unwritten += count }

    private mutating func writeHead() throws(FileError) {
        let sealed = head.sealed(vault: vault, under: key)
        if headFile == nil {
            // Whole or not at all: a head that is only half there would look like a damaged one.
            let file = try NewFile(for: files.head)
            try file.write(sealed)
            try file.publish(replacing: true, isDurable: false)
            headFile = try AuditFiles.open(files.head, forWriting: true)
        } else {
            try headFile?.write(sealed, at: 0)
            if try headFile?.status().size != Int64(sealed.count) { try headFile?.truncate(to: Int64(sealed.count)) }
        }
    }
}
