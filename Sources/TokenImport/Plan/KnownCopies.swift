internal import StrictJSON
public import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A place beside an entry's own file where an import found its refresh token a second time.
struct CopyPlace: Hashable, Sendable {
    /// More of them say no more than these: as long as one of them has the token, the entry is held.
    static let maximum = 64

    let path: String
    let pointer: String
    let format: String

    init(path: String, pointer: String, format: String) {
        self.path = path
        self.pointer = pointer
        self.format = format
    }

    /// Reads a line of the metadata.
    fileprivate init?(_ line: Substring) {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(Self.unescaped)
        guard fields.count == 3 else { return nil }
        self.init(path: fields[2], pointer: fields[1], format: fields[0])
    }

    fileprivate var line: String { [format, pointer, path].map(Self.escaped).joined(separator: "\t") }

    /// A path and a pointer may have any character; a line has no control character.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if scalar == "%" || scalar.value < 0x20 || scalar.value == 0x7F {
                let digits = String(scalar.value, radix: 16)
                result += "%" + (digits.count < 2 ? "0" : "") + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func unescaped(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension EntrySummary {
    /// The metadata that names the copies: a line for each.
    public static let copiesKey = "import.also"

    /// The files beside its own in which an import found the entry's refresh token.
    public var copyPaths: [String] { copies.map(\.path) }

    var copies: [CopyPlace] {
        get { (metadata[Self.copiesKey] ?? "").split(separator: "\n").compactMap(CopyPlace.init) }
        set {
            let text = newValue.prefix(CopyPlace.maximum).map(\.line).joined(separator: "\n")
            metadata[Self.copiesKey] = text.isEmpty ? nil : text
        }
    }
}

extension ImportPlan {
    /// Where the plan found a refresh token again, by the entry that has it.
    ///
    /// A grant whose refresh token is never spent has no second owner to be wary of.
    var copies: [EntryName: [CopyPlace]] {
        var places: [EntryName: [CopyPlace]] = [:]
        for item in items where item.action == .copy && item.hasRefreshToken && item.rotation != .never {
            places[item.name, default: []]
                .append(CopyPlace(path: item.path, pointer: item.pointer, format: item.format))
        }
        return places
    }

    /// Has the entries that are there already remember their copies.
    func recordCopies(in vault: some ImportDestination) async -> [ImportFailure] {
        var failures: [ImportFailure] = []
        // These are made with their copies.
        let new = Set(items.lazy.filter { $0.action == .new }.map(\.name))
        for (name, places) in copies where !new.contains(name) {
            do throws(VaultError) {
                let known = try await vault.withEntry(name) { (summary, _) throws(VaultError) in Set(summary.copies) }
                guard known.count < CopyPlace.maximum, !known.isSuperset(of: places) else { continue }
                _ = try await vault.update(name) { (summary, _) throws(VaultError) in
                    let known = Set(summary.copies)
                    summary.copies += places.filter { !known.contains($0) }
                }
            } catch {
                guard error.code != .notFound else { continue }
                failures.append(ImportFailure(path: places[0].path, error: error))
            }
        }
        return failures
    }
}

/// Looks where an entry's refresh token still is, beside the vault.
struct CopyLookup {
    let options: ImportOptions
    let keyring: (any ForeignKeyring)?
    let now: Timestamp

    /// The copies that still have the entry's refresh token, or of which nobody can tell.
    func holders(of name: EntryName, in vault: some ImportDestination) async throws(VaultError) -> [CopyPlace] {
        let summary = try await vault.withEntry(name) { (summary, _) throws(VaultError) in summary }
        let copies = summary.copies
        guard !copies.isEmpty else { return [] }
        let secrets = try await vault.withEntry(name) { (_, secrets) throws(VaultError) -> SharedSecret? in
            do throws(CryptoError) {
                return try secrets.withField(.refreshToken) { (bytes) throws(CryptoError) in
                    SharedSecret(try SecretBytes(copying: bytes))
                }
            } catch { throw VaultError(.unavailable, error.message, underlying: error) }
        }
        guard let token = secrets else { return [] }
        let items = await ForeignItems.needed(for: copies.map(\.path), on: options.machine, from: keyring)
        return copies.filter { copy in
            do throws(VaultError) {
                let reading = try reading(copy.path, copy.format, items)
                for grant in reading.contents.grants {
                    let isOwn = copy.path == summary.source?.path && grant.value.pointer == summary.source?.pointer
                    guard !isOwn, let other = grant.token(.refreshToken) else { continue }
                    let found = try other.secret()
                    if token.withSecret({ $0.equals(found) }) { return true }
                }
                return false
            } catch {
                return error.code != .notFound && !isWithout(token, copy.path, error)
            }
        }
    }

    /// Whether the entry's own file has a grant in its place, be it an older or a newer state of it.
    func ownFileHolds(_ name: EntryName, in vault: some ImportDestination) async throws(VaultError) -> Bool {
        let source = try await vault.withEntry(name) { (summary, _) throws(VaultError) in summary.source }
        guard let source else { return false }
        let items = await ForeignItems.needed(for: [source.path], on: options.machine, from: keyring)
        do throws(VaultError) {
            let reading = try reading(source.path, source.format, items)
            return reading.contents.grants.contains { grant in
                grant.value.pointer == source.pointer && grant.token(.refreshToken) != nil
            }
        } catch { return error.code != .notFound }
    }

    private func reading(_ path: String, _ format: String, _ items: ForeignItems) throws(VaultError) -> FileReading {
        try FileReading.of(path, format: format, options: options, now: now, keyring: items)
    }

    /// Whether a text that is no token file any more does not have the token anywhere.
    private func isWithout(_ token: SharedSecret, _ path: String, _ error: VaultError) -> Bool {
        guard error.code == .damaged, ForeignItem(path: path) == nil, let file = try? TokenFile.read(path) else {
            return false
        }
        return file.bytes.withBytes { bytes in
            // Neither shows what it holds.
            let syntax = FileSyntax.of(bytes, at: TokenPath(path))
            guard syntax != .sqlite, syntax != .moat else { return false }
            return token.withBytes { token in
                guard bytes.count >= token.count else { return true }
                return !(0...bytes.count - token.count).contains { start in
                    (0..<token.count).allSatisfy { bytes[start + $0] == token[$0] }
                }
            }
        }
    }
}

extension VaultError {
    /// A hold that cannot end, because a file beside the entry's own has the refresh token as well.
    static func isAlso(in copy: CopyPlace, _ name: EntryName) -> VaultError {
        let isForeign = ForeignItem(path: copy.path) != nil
        return VaultError(
            .unsafe,
            "\(printable(copy.path)) has the refresh token of \(name) as well, so \(name) stays held",
            hint: isForeign
                ? "log out of the program that owns it, or say that nothing else uses it: vault adopt \(name.name) --yes"
                : "vault import \(printable(copy.path)) --remove"
        )
    }
}
