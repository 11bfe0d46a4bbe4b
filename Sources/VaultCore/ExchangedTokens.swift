internal import Glibc
internal import PrivateFiles
package import VaultAPI
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

    /// - Throws: where there is a file that cannot be read: it may hold that token.
    func contains(_ token: [UInt8]) throws(FileError) -> Bool {
        let bytes = try read()
        return stride(from: 0, to: bytes.count - Self.length + 1, by: Self.length).contains {
            bytes[$0..<$0 + Self.length].elementsEqual(token)
        }
    }

    /// Adds one, durably.
    ///
    /// Several entries may be refreshed at once, so it is appended; in a file that has grown too long, the older half is
    /// forgotten first.
    func note(_ token: [UInt8]) throws(FileError) {
        guard token.count == Self.length, try !contains(token) else { return }
        try PrivateFiles.makeDirectory(directory)
        let known = try read()
        // A write that a full disk cut short would put all that follows out of step.
        var kept = known.prefix(known.count - known.count % Self.length)
        if kept.count >= Self.longest { kept = kept.suffix(Self.longest / 2) }
        if known.isEmpty {
            try begin()
        } else if kept.count != known.count {
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

    /// Makes the file, unless another process has done so meanwhile: that one's first line stays.
    private func begin() throws(FileError) {
        do throws(FileError) { try NewFile(for: path).publish() } catch {
            guard error.code == .exists else { throw error }
        }
    }

    private func read() throws(FileError) -> [UInt8] {
        do throws(FileError) {
            return try PrivateFiles.open(path).read(upTo: 2 * Self.longest)
        } catch {
            guard error.code == .absent else { throw error }
            return []
        }
    }
}

extension Vault {
    /// Whether this machine has exchanged that refresh token before, where a sync tool may have put it back.
    ///
    /// - Throws: `.unsafe` or `.unavailable` where that cannot be told; then nothing may be sent.
    package func wasExchanged(_ token: TokenFingerprint) throws(VaultError) -> Bool {
        guard !store.hasCommonLock else { return false }
        do throws(FileError) {
            return try ExchangedTokens(directory: location.state(of: id)).contains(token.bytes)
        } catch {
            throw VaultError(error)
        }
    }

    /// Remembers that a server has given another refresh token for that one.
    ///
    /// Not being able to is no reason to lose the other one.
    package func noteExchanged(_ token: TokenFingerprint) {
        guard !store.hasCommonLock else { return }
        do throws(FileError) { try ExchangedTokens(directory: location.state(of: id)).note(token.bytes) } catch {}
    }
}
