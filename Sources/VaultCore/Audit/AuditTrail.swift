package import VaultAPI
internal import VaultCrypto

/// A place where the log is not what was written.
package struct AuditFault: Hashable, Sendable {
    /// The number of the last sound line before it; 0 where there is none.
    package var after: UInt64
    /// The number of the line that should stand there.
    package var expected: UInt64
    /// What stands there instead: the number of a line, or `nil` for bytes that are no line, or for the end.
    package var found: UInt64?
    /// One sentence.
    package var sentence: String
    /// Stands for this fault and no other: `vault audit --accept` writes it down.
    package var fingerprint: [UInt8]
    /// Whether the user has taken note of it.
    package var isAcknowledged = false
}

/// What an audit log says, and where it is not what was written.
package struct AuditTrail: Sendable {
    /// The sound lines that were asked for, the oldest first.
    package var lines: [AuditLine] = []
    /// How many sound lines there are.
    package var count: UInt64 = 0
    /// What is wrong, in the order of the lines.
    package var faults: [AuditFault] = []
    /// Hand-outs since the last line that have none.
    package var unwritten: UInt64 = 0

    /// The faults that nobody has taken note of.
    package var open: [AuditFault] { faults.filter { !$0.isAcknowledged } }

    /// Throws exit 7's error if a fault is open.
    package func requireSound() throws(VaultError) {
        guard let first = open.first else { return }
        let more = open.count > 1 ? ", and \(open.count - 1) more places" : ""
        throw VaultError(
            .damaged,
            "the audit log is not what was written: \(first.sentence)\(more)",
            hint: "vault audit --accept takes note of it, so that only what comes after is reported"
        )
    }
}

/// Reads an audit log line by line and follows its chain.
///
/// After a fault it goes on with the next line that opens: each fault is reported once, and what is sound is shown.
struct AuditReader {
    let vault: VaultID
    let key: SharedSecret
    let wants: (AuditLine) -> Bool
    private(set) var trail = AuditTrail()
    private var next: UInt64 = 1
    private var link = AuditLine.firstLink
    private var isFirst = true
    /// Bytes since the last sound line that are no line, hashed.
    private var foreign: (count: UInt64, digest: [UInt8])?
    private var acknowledged: Set<[UInt8]> = []
    /// The links of the lines that somebody will ask for.
    private var links: [UInt64: [UInt8]] = [:]
    private let watched: Set<UInt64>

    init(vault: VaultID, key: SharedSecret, watching watched: Set<UInt64>, wants: @escaping (AuditLine) -> Bool) {
        self.vault = vault
        self.key = key
        self.watched = watched
        self.wants = wants
    }

    /// Follows the chain over one more piece of the log: a line, or what stands where one should be.
    ///
    /// - Parameter oldest: The number of the first line that is kept.
    mutating func read(_ sealed: [UInt8], oldest: UInt64) {
        guard let line = AuditLine(sealed, vault: vault, under: key) else {
            // One fault for all that follow each other.
            var hash = Blake2b()
            hash.update(foreign?.digest ?? [])
            hash.update(sealed)
            foreign = ((foreign?.count ?? 0) + 1, hash.finish())
            return
        }
        if isFirst, foreign == nil, line.number <= oldest, line.number > 1 || line.previous == AuditLine.firstLink {
            // The lines before it were dropped with an old file.
            next = line.number
            link = line.previous
        }
        if foreign != nil || line.number != next || line.previous != link || line.broken != nil { report(before: line) }
        isFirst = false
        next = line.number + 1
        link = AuditLine.link(of: sealed)
        if watched.contains(line.number) { links[line.number] = link }
        for fingerprint in line.acknowledged { acknowledged.insert(fingerprint) }
        trail.count += 1
        if wants(line) { trail.lines.append(line) }
    }

    private mutating func report(before line: AuditLine) {
        let sentence: String
        if let broken = line.broken {
            sentence =
                "line \(line.number) was begun anew: \(broken.reason) (\(Self.lines(broken.expected)) expected, "
                + "\(broken.found == 0 ? "none" : "\(broken.found)") found)"
        } else if let foreign {
            sentence =
                "line \(next) is expected, and \(foreign.count == 1 ? "something" : "\(foreign.count) pieces") that "
                + "no line of this vault is found before line \(line.number)"
        } else if line.number == next {
            sentence = "line \(next) does not follow the line before it: that one was changed or put in its place"
        } else {
            sentence = "line \(next) is expected, and line \(line.number) is found"
        }
        add(expected: next, found: foreign == nil ? line.number : nil, sentence, [line.previous, link])
        foreign = nil
    }

    private static func lines(_ count: UInt64) -> String { count == 1 ? "1 line" : "\(count) lines" }

    /// Compares the end with what the head and the store remember.
    mutating func finish(_ head: AuditHead?, hasHead: Bool, checkpoint: AuditCheckpoint?) {
        if let head, head.number >= next || foreign != nil || isFirst && head.number > 0 {
            let last = next - 1
            add(
                expected: next,
                found: nil,
                head.number > last
                    ? "line \(next) is expected, and the log ends\(last == 0 ? "" : " after line \(last)"): "
                        + "\(Self.lines(head.number - last)) cut off, or lost with the power"
                    : "what stands behind line \(last) is no line of this vault",
                [head.link]
            )
        } else if let head, let found = links[head.number], found != head.link {
            let sentence = "line \(head.number) is not the one that audit.head says"
            add(expected: head.number, found: head.number, sentence, [head.link, found])
        } else if head == nil, foreign != nil {
            add(expected: next, found: nil, "what stands behind line \(next - 1) is no line of this vault", [])
        }
        if head == nil {
            // The very first line may have been written without one, by a writer that was killed.
            if hasHead {
                add(expected: next, found: nil, "audit.head does not open: it is damaged, or of another vault", [])
            } else if next > 2 {
                add(expected: next, found: nil, "audit.head is gone", [])
            }
        }
        if let checkpoint, checkpoint.number >= (head?.oldest ?? 1) {
            if let found = links[checkpoint.number] {
                if found != checkpoint.link {
                    let sentence = "line \(checkpoint.number) is not the one that the vault remembers"
                    add(expected: checkpoint.number, found: checkpoint.number, sentence, [checkpoint.link, found])
                }
            } else if checkpoint.number >= next {
                add(
                    expected: checkpoint.number,
                    found: nil,
                    "the vault remembers line \(checkpoint.number), and the log ends after line \(next - 1): it was removed, "
                        + "or an older copy was put back",
                    [checkpoint.link]
                )
            }
        }
        trail.unwritten = head?.unwritten ?? 0
        for index in trail.faults.indices {
            trail.faults[index].isAcknowledged = acknowledged.contains(trail.faults[index].fingerprint)
        }
    }

    private mutating func add(expected: UInt64, found: UInt64?, _ sentence: String, _ evidence: [[UInt8]]) {
        var bytes = ByteWriter()
        bytes.append(next)
        bytes.append(expected)
        bytes.append(found ?? 0)
        var hash = Blake2b(length: AuditLine.fingerprintBytes)
        hash.update("vault audit fault")
        hash.update(bytes.bytes)
        hash.update(foreign?.digest ?? [])
        for part in evidence { hash.update(part) }
        trail.faults.append(
            AuditFault(
                after: next - 1,
                expected: expected,
                found: found,
                sentence: sentence,
                fingerprint: hash.finish()
            )
        )
    }
}
