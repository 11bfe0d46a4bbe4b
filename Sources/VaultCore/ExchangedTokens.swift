internal import Glibc
internal import PrivateFiles
internal import VaultStorage

/// The refresh tokens that this machine has exchanged for new ones, by their fingerprints: the file `<state>/exchanged`.
///
/// A sync tool that knows no versions lets the last writer win, and may put an entry back whose refresh token is spent,
/// under a generation that is not lower. Spending it again would end the grant (RFC 9700, section 4.14.2).
struct ExchangedTokens {
    private static let length = 32
    /// Of 8,192 tokens; then the older half is forgotten.
    private static let longest = 8192 * length

    let directory: String

    private var path: String { "\(directory)/exchanged" }

    func contains(_ token: [UInt8]) -> Bool {
        let bytes = read()
        return stride(from: 0, to: bytes.count - Self.length + 1, by: Self.length).contains {
            bytes[$0..<$0 + Self.length].elementsEqual(token)
        }
    }

    /// Adds one, durably.
    ///
    /// Several entries may be refreshed at once, so it is appended; in a file that has grown too long, the older half is
    /// forgotten first.
    func note(_ token: [UInt8]) throws(FileError) {
        guard token.count == Self.length, !contains(token) else { return }
        try PrivateFiles.makeDirectory(directory)
        let known = read()
        // A write that a full disk cut short would put all that follows out of step.
        var kept = known.prefix(known.count - known.count % Self.length)
        if kept.count >= Self.longest { kept = kept.suffix(Self.longest / 2) }
        if kept.isEmpty || kept.count != known.count {
            let file = try NewFile(for: path)
            try file.write(Array(kept))
            try file.publish(replacing: true)
        }
        let opened = Glibc.open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else { throw FileError.system("open", path) }
        let file = Descriptor(owning: opened, path: path)
        guard Glibc.write(file.rawValue, token, token.count) == token.count else {
            throw FileError.system("write", path)
        }
        try file.synchronize()
    }

    private func read() -> [UInt8] {
        do throws(FileError) {
            return try PrivateFiles.open(path).read(upTo: 2 * Self.longest)
        } catch {
            return []
        }
    }
}

extension Vault {
    /// Whether this machine has exchanged that refresh token before, where a sync tool may have put it back.
    package func wasExchanged(_ token: TokenFingerprint) -> Bool {
        !store.hasCommonLock && ExchangedTokens(directory: location.state(of: id)).contains(token.bytes)
    }

    /// Remembers that a server has given another refresh token for that one.
    ///
    /// Not being able to is no reason to lose the other one.
    package func noteExchanged(_ token: TokenFingerprint) {
        guard !store.hasCommonLock else { return }
        do throws(FileError) { try ExchangedTokens(directory: location.state(of: id)).note(token.bytes) } catch {}
    }
}
