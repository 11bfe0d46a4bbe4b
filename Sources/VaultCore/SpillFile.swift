internal import Glibc
internal import PrivateFiles
internal import Synchronization
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Room on a disk for one sealed record, taken before a refresh token is spent.
///
/// A full disk between the server's answer and the commit must not lose the new refresh token. The file lies in the
/// state directory of the vault, outside whatever the vault's own directory may be synced with.
///
/// ```
/// spill/<entry's UUID>    0600   zeros, or: "VLTSPIL1", length (4), hash (32) of the rest, spent (32), id (32),
///                                generation (8), the record sealed under the spill key; integers little-endian
/// ```
///
/// The spill key is a subkey of the data key, and the header keeps those of earlier data keys: a machine that cannot
/// reach the store does not know that another one rotates the key meanwhile.
public final class SpillFile: Sendable {
    static let magic = Array("VLTSPIL1".utf8)
    /// Room for any entry of ordinary size.
    static let smallestBytes = 64 * 1024
    /// Twice the largest record, and some: the first bytes of a file of ours are all of it.
    private static let longest = 4 << 20

    private let descriptor: Mutex<Descriptor?>
    private let path: String
    private let fallback: String?
    private let isKept = Mutex(false)

    private init(_ descriptor: consuming Descriptor, path: String, fallback: String?) {
        self.descriptor = Mutex(descriptor)
        self.path = path
        self.fallback = fallback
    }

    /// What the name of a file that does not open ends in.
    static let asideSuffix = ".does-not-open"

    /// The files of an entry that were set aside because they did not open.
    static func aside(_ places: [String], of entry: EntryID) -> [String] {
        places.flatMap { place in
            names(in: place).filter { $0.hasPrefix("\(entry).") && $0.hasSuffix(asideSuffix) }.map { "\(place)/\($0)" }
        }
    }

    static func names(in directory: String) -> [String] {
        guard (try? PrivateFiles.requireDirectory(directory)) != nil else { return [] }
        return ((try? PrivateFiles.names(in: directory)) ?? []).filter { !$0.hasPrefix(".") }
    }

    /// Takes room at the first of `places` where there is some.
    static func prepare(
        _ places: [String],
        for leased: LeasedEntry,
        spending token: TokenFingerprint?,
        recordBytes: Int
    ) throws(VaultError) -> SpillFile {
        let entry = leased.id
        for path in aside(places, of: entry) {
            guard let token, let left = try contents(of: path), SpilledRecord(left)?.spent == token.bytes
            else { continue }
            throw VaultError(
                .loginRequired,
                "\(leased.name): nothing was sent: its refresh token may be spent, since what came for it lies in \(path) and "
                    + "does not open under this vault's keys",
                hint:
                    "vault login \(leased.name.name); where the server gives no new refresh tokens, rm \(shellQuoted(path)) does"
            )
        }
        // Whoever sent the token that the entry holds would send a spent one.
        for path in places.map({ "\($0)/\(entry)" }) {
            guard let left = try contents(of: path), SpilledRecord(left) != nil else { continue }
            throw VaultError(
                .unavailable,
                "nothing was sent: \(path) holds newer tokens that this vault has not taken in",
                hint: "vault doctor says why"
            )
        }
        var failures: [String] = []
        for (index, place) in places.enumerated() {
            let path = "\(place)/\(entry)"
            do throws(VaultError) {
                let file = try make(path, in: place, bytes: max(smallestBytes, 2 * recordBytes + 4096))
                let rest = places.dropFirst(index + 1).first.map { "\($0)/\(entry)" }
                return SpillFile(file, path: path, fallback: rest)
            } catch {
                failures.append(error.message)
            }
        }
        throw VaultError(
            .unavailable,
            "nothing was sent: there is no room to keep new tokens if the vault cannot be written: "
                + failures.joined(separator: "; "),
            hint: "make room in the state directory"
        )
    }

    private static func make(_ path: String, in place: String, bytes: Int) throws(VaultError) -> Descriptor {
        do throws(FileError) { try PrivateFiles.makeDirectory(place) } catch { throw VaultError(error) }
        // Only what is known to hold nothing is removed: a holder that died before its server answered left it.
        let left = try contents(of: path)
        do throws(FileError) {
            if left != nil { try PrivateFiles.remove(path) }
            let file = try Descriptor.create(path)
            do throws(FileError) {
                try file.fill(zeros: bytes)
                try file.synchronize()
                try PrivateFiles.synchronizeDirectory(place)
            } catch {
                _ = unlink(path)
                throw error
            }
            return file
        } catch {
            throw VaultError(error)
        }
    }

    /// The bytes of a spill file; `nil` where there is none, and only there.
    static func contents(of path: String) throws(VaultError) -> [UInt8]? {
        var status = stat()
        if lstat(path, &status) != 0, errno == ENOENT || errno == ENOTDIR { return nil }
        do throws(FileError) {
            let file = try PrivateFiles.open(path)
            return try file.read(upTo: min(Int(try file.status().size), longest))
        } catch {
            guard error.code != .absent else { return nil }
            let cause = VaultError(error)
            throw VaultError(
                cause.code,
                "\(cause.message); it may hold tokens that a refresh could not store, so nothing was done without them",
                hint: cause.hint,
                underlying: error
            )
        }
    }

    /// Writes a record into the room, or else beside it, and says where it is.
    func write(_ spilled: SpilledRecord) throws(VaultError) -> String {
        let bytes = spilled.encoded
        do throws(FileError) {
            try descriptor.withLock { (file) throws(FileError) in
                guard file != nil else { throw FileError(.unavailable, path, "is closed") }
                // Even a write that fails may have left the whole record there.
                isKept.withLock { $0 = true }
                try file?.overwrite(bytes)
            }
            return path
        } catch {
            guard let fallback else { throw VaultError(error) }
            do throws(FileError) {
                try PrivateFiles.makeDirectory(PrivateFiles.parentDirectory(of: fallback))
                let file = try NewFile(for: fallback)
                try file.write(bytes)
                try file.publish(replacing: true)
                return fallback
            } catch {
                throw VaultError(error)
            }
        }
    }

    /// Gives the room back, unless something is kept in it.
    public func discard() {
        descriptor.withLock { $0 = nil }
        if !isKept.withLock({ $0 }) { _ = unlink(path) }
    }
}

/// What a spill file holds.
struct SpilledRecord: Equatable {
    /// The entry with its new tokens.
    var record: StoredRecord
    /// The fingerprint of the refresh token that was spent for them.
    var spent: [UInt8]

    init(record: StoredRecord, spent: [UInt8]) {
        self.record = record
        self.spent = spent
    }

    var encoded: [UInt8] {
        var body = ByteWriter()
        body.append(spent)
        body.append(record.id.bytes)
        body.append(record.generation)
        body.append(record.sealed)
        var writer = ByteWriter()
        writer.append(SpillFile.magic)
        writer.append(UInt32(body.bytes.count))
        writer.append(Self.hash(body.bytes))
        writer.append(body.bytes)
        return writer.bytes
    }

    /// Reads a spill file; `nil` if it is empty, or was not written to its end.
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard reader.read(SpillFile.magic.count) == SpillFile.magic, let length = reader.integer(UInt32.self),
            let hash = reader.read(32), let body = reader.read(Int(length)), Self.hash(body) == hash
        else { return nil }
        var fields = ByteReader(body)
        guard let spent = fields.read(32), let id = fields.read(32).flatMap({ RecordID($0) }),
            let generation = fields.integer(UInt64.self), let sealed = fields.read(body.count - fields.position)
        else { return nil }
        self.init(record: StoredRecord(id: id, generation: generation, sealed: sealed), spent: spent)
    }

    /// It tells a torn write from a whole one; what vouches for the record is its own seal.
    private static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var hash = Blake2b()
        hash.update("vault spill")
        hash.update(bytes)
        return hash.finish()
    }
}
