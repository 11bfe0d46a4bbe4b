internal import CVaultSystem
internal import Glibc
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Tells cheaply whether a file that nobody named may hold tokens.
///
/// A home directory has a hundred thousand files and a dozen with tokens. What costs little comes first: kind, owner and
/// size, then the first bytes, then a search for words. It may be wrong in one direction only: what it lets through is
/// read and judged by the formats.
final class TokenSniff {
    enum Verdict: Hashable {
        case no
        case perhaps
        /// It could not be opened: the system's error number.
        case unreadable(Int32)
    }

    /// Tokens stand near the beginning: a file that has not mentioned one by then is another kind of file.
    static let searchedBytes = 1 << 20
    private static let chunkBytes = 64 << 10
    /// So much of a chunk is kept for a word that the boundary cuts.
    private static let overlap = 32

    /// What the members of all formats are called.
    private static let words: [StaticString] = [
        "token", "Token", "TOKEN", "ecret", "SECRET", "refresh", "\"access\"", "oauth", "OAuth", "OAUTH", "\"key\"",
        "api_key", "apiKey", "API_KEY", "assword", "\"personal\"", "teamAccess", "teamManage", "client_id", "clientId",
    ]
    /// What only a file with tokens has, or a text about one.
    private static let strongWords: [StaticString] = [
        "access_token", "accessToken", "refresh_token", "refreshToken", "oauth_token", "id_token",
    ]

    // What passes through here may be a token.
    private var buffer: SecretBytes

    init() throws(VaultError) {
        do { buffer = try SecretBytes(zeroed: Self.chunkBytes) } catch {
            throw VaultError(.failed, "no memory to look at files with: \(error.message)")
        }
    }

    /// Looks at a file in an open directory.
    func look(in directory: Int32, at bytes: [CChar], named name: String, followingLink: Bool = false) -> Verdict {
        open(directory, bytes, followingLink) { descriptor in
            var isFirst = true
            return search(descriptor, for: Self.words, limit: Self.searchedBytes) { head in
                guard isFirst else { return nil }
                isFirst = false
                return self.judge(head, TokenPath(Leftover.originalPath(of: "/" + name)))
            } ? .perhaps : .no
        }
    }

    /// Whether a file says outright that it is about tokens, whatever its syntax.
    func mentionsTokens(_ path: String) -> Bool {
        open(AT_FDCWD, Array(path.utf8CString), false) { descriptor in
            search(descriptor, for: Self.strongWords, limit: Int(TokenFile.maximumBytes)) { _ in nil } ? .perhaps : .no
        } == .perhaps
    }

    /// What the beginning of a file says for sure; `nil` where its words are to be looked at.
    private func judge(_ head: UnsafeRawBufferPointer, _ path: TokenPath) -> Bool? {
        switch FileSyntax.of(head, at: path) {
        case nil: false
        case .text, .netrc: true
        // Nothing in it can be read without the key.
        case .moat: true
        case .json, .yaml, .toml, .ini, .sqlite: EncryptedFile.isOne(head) ? true : nil
        }
    }

    private func open(
        _ directory: Int32,
        _ name: [CChar],
        _ followingLink: Bool,
        _ body: (Int32) -> Verdict
    ) -> Verdict {
        var status = stat()
        // Not opened before it is known to be a file: opening a device or a FIFO can have effects of its own.
        guard fstatat(directory, name, &status, followingLink ? 0 : AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid(), status.st_size > 0,
            Int64(status.st_size) <= TokenFile.maximumBytes
        else { return .no }
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followingLink ? 0 : O_NOFOLLOW)
        let descriptor = openat(directory, name, flags)
        guard descriptor >= 0 else { return errno == ENOENT ? .no : .unreadable(errno) }
        defer { close(descriptor) }
        return body(descriptor)
    }

    /// Reads a file piece by piece until a word is found, `judge` has decided, or enough is read.
    private func search(
        _ descriptor: Int32,
        for words: [StaticString],
        limit: Int,
        judge: (UnsafeRawBufferPointer) -> Bool?
    ) -> Bool {
        buffer.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return false }
            var (kept, done) = (0, 0)
            while done < limit {
                let count = Glibc.read(descriptor, base + kept, buffer.count - kept)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
                let piece = UnsafeRawBufferPointer(start: base, count: kept + count)
                if let verdict = judge(piece) { return verdict }
                if words.contains(where: { vault_contains(base, piece.count, $0.utf8Start, $0.utf8CodeUnitCount) }) {
                    return true
                }
                kept = min(piece.count, Self.overlap)
                memmove(base, base + (piece.count - kept), kept)
            }
            return false
        }
    }
}
