internal import PrivateFiles
package import VaultAPI
internal import VaultCrypto
internal import VaultStorage

extension Vault {
    /// Whether this machine keeps a log of this vault.
    package var keepsAuditLog: Bool { current.auditKey != nil && ledger.isWritable }

    /// Reads the log and verifies its chain.
    ///
    /// - Parameter wants: Which lines are to be returned; all are verified.
    /// - Throws: `.unavailable` or `.unsafe` where a file cannot be read; faults of the log are in the result.
    package func auditTrail(
        where wants: @escaping (AuditLine) -> Bool = { _ in true }
    ) async throws(VaultError) -> AuditTrail {
        guard let key = current.auditKey else { return AuditTrail() }
        do {
            // What was opened under the lease stays as it is, whatever files are named afterwards; appended lines lie
            // behind the sizes that were taken, and are not looked at.
            let snapshot = try await auditSnapshot(key)
            var watched: Set<UInt64> = []
            if let head = snapshot.head { watched.insert(head.number) }
            if let checkpoint = snapshot.checkpoint { watched.insert(checkpoint.number) }
            var reader = AuditReader(vault: id, key: key, watching: watched, wants: wants)
            for file in snapshot.files { try file.read { reader.read($0, oldest: snapshot.head?.oldest ?? 1) } }
            reader.finish(snapshot.head, hasHead: snapshot.hasHead, checkpoint: snapshot.checkpoint)
            return reader.trail
        } catch {
            throw Self.vaultError(error)
        }
    }

    /// Takes note of every fault there is, in lines of their own.
    ///
    /// - Returns: What was taken note of.
    package func acceptAudit(caller: Caller) async throws(VaultError) -> [AuditFault] {
        guard let key = current.auditKey, ledger.isWritable else {
            throw VaultError(
                .unavailable,
                "\(location.state(of: id)): this machine keeps no audit log of this vault",
                hint: "vault doctor says why"
            )
        }
        do {
            // First what the end of the log calls for, so that nothing new is found broken by the line that accepts.
            let now = clock.now
            try await withAuditLog(key, checksNow: true) { try $0.appendBreak(at: now) }
            let trail = try await auditTrail { _ in false }
            var rest = trail.open.map(\.fingerprint)
            while !rest.isEmpty {
                let part = Array(rest.prefix(AuditLine.maximumAcknowledged))
                rest.removeFirst(part.count)
                let event = AuditEvent(.acknowledged, outcome: "accepted", caller: caller)
                try await withAuditLog(key) { try $0.append(event, at: now, acknowledging: part) }
            }
            return trail.open
        } catch {
            throw Self.vaultError(error)
        }
    }

    private struct AuditSnapshot {
        var files: [AuditPiece] = []
        var head: AuditHead?
        var hasHead = false
        var checkpoint: AuditCheckpoint?
    }

    private func auditSnapshot(_ key: SharedSecret) async throws -> AuditSnapshot {
        let files = auditFiles
        var lease: Lease?
        if ledger.isWritable { lease = try await auditLease() }
        defer { lease?.release() }
        var snapshot = AuditSnapshot()
        for path in files.olderFiles + [files.log] {
            if let piece = try AuditPiece(path) { snapshot.files.append(piece) }
        }
        if let file = try AuditFiles.open(files.head) {
            snapshot.hasHead = true
            snapshot.head = AuditHead(try file.read(upTo: AuditHead.sealedBytes + 1, at: 0), vault: id, under: key)
        }
        snapshot.checkpoint = try await auditCheckpoint()
        return snapshot
    }
}

/// One file of the log, open, as long as it was then.
private final class AuditPiece: Sendable {
    private let file: Descriptor
    private let size: UInt64

    init?(_ path: String) throws(FileError) {
        guard let file = try AuditFiles.open(path) else { return nil }
        size = UInt64(max(0, try file.status().size))
        self.file = file
    }

    /// Calls `body` with each line; what is left behind the last one is a line that was not finished.
    func read(_ body: ([UInt8]) -> Void) throws(FileError) {
        let step = UInt64(AuditLine.sealedBytes)
        let page = step * 256
        var offset: UInt64 = 0
        while size - offset >= step {
            let bytes = try file.read(upTo: Int(min(page, (size - offset) / step * step)), at: Int64(offset))
            guard bytes.count >= Int(step) else { break }
            for start in stride(from: 0, through: bytes.count - Int(step), by: Int(step)) {
                body(Array(bytes[start..<start + Int(step)]))
            }
            offset += UInt64(bytes.count) / step * step
        }
    }
}
