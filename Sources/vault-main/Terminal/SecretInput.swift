internal import CVaultSystem
internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// Reads secrets from descriptors and files straight into secret memory.
enum SecretInput {
    /// Everything up to the end of a descriptor.
    ///
    /// - Throws: `.unavailable` if it cannot be read, `.usage` if it is longer than `limit` bytes.
    static func readAll(_ descriptor: Int32, limit: Int, _ what: String) throws(VaultError) -> SecretBytes {
        do throws(CryptoError) {
            var buffer = try SecretBuffer(capacity: 4096)
            while true {
                var failure: Int32 = 0
                let count = buffer.append(upTo: 4096) { space in
                    while true {
                        let count = read(descriptor, space.baseAddress, space.count)
                        if count < 0, errno == EINTR { continue }
                        if count < 0 { failure = errno }
                        return max(0, count)
                    }
                }
                guard failure == 0 else {
                    throw CryptoError(.malformed, "cannot read \(what): \(String(cString: strerror(failure)))")
                }
                if count == 0 { return try buffer.finish() }
                guard buffer.count <= limit else {
                    throw CryptoError(.parameters, "\(what) is longer than \(limit) bytes")
                }
            }
        } catch {
            throw VaultError(error.code == .parameters ? .usage : .unavailable, error.message)
        }
    }

    /// A passphrase in a file or behind a descriptor path.
    ///
    /// A final newline is not part of it.
    static func passphrase(file path: String, quiet: Bool) throws(VaultError) -> SharedSecret {
        let opened = vault_open(path, O_RDONLY | O_CLOEXEC, 0)
        guard opened >= 0 else {
            throw VaultError(
                .unavailable,
                "cannot open the passphrase file \(path): \(String(cString: strerror(-opened)))",
                hint: "name a readable file with --passphrase-file"
            )
        }
        defer { close(opened) }
        var status = stat()
        if !quiet, fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 != 0 {
            Diagnostics.warn("others can read the passphrase file \(path); chmod 600 would keep them out")
        }
        return try passphrase(descriptor: opened)
    }

    /// A passphrase from a descriptor.
    ///
    /// A final newline is not part of it.
    static func passphrase(descriptor: Int32) throws(VaultError) -> SharedSecret {
        SharedSecret(try withoutFinalNewline(try readAll(descriptor, limit: 4096, "the passphrase")))
    }

    /// A client secret in a file of its own; a final newline is not part of it.
    static func clientSecret(file path: String) throws(VaultError) -> SharedSecret {
        let secret = SharedSecret(try withoutFinalNewline(try readFile(path, limit: 4096, "the client secret")))
        // RFC 6749 appendix A.2 wants visible ASCII; there are servers whose secrets hold more, and form encoding carries
        // it. What is refused is a second line: more than a secret.
        let isSound = secret.withSecret { secret in
            secret.withUnsafeBytes { !$0.isEmpty && $0.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }
        }
        guard isSound else {
            throw VaultError(.configuration, "\(path) is empty or holds more than one line with a client secret")
        }
        return secret
    }

    /// A private key in a file, in PEM; whether it is one is for its user to find out.
    static func privateKey(file path: String) throws(VaultError) -> SharedSecret {
        SharedSecret(try readFile(path, limit: 64 * 1024, "the private key"))
    }

    /// A text that is public knowledge, where a secret is asked for.
    static func secret(of text: String) throws(VaultError) -> SharedSecret {
        do throws(CryptoError) { return SharedSecret(try SecretBytes(Array(text.utf8))) } catch {
            throw VaultError(.unavailable, error.message)
        }
    }

    private static func readFile(_ path: String, limit: Int, _ what: String) throws(VaultError) -> SecretBytes {
        let opened = vault_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
        guard opened >= 0 else {
            throw VaultError(
                .configuration,
                "cannot open \(what) \(path): \(String(cString: strerror(-opened)))",
                hint: "name a readable file"
            )
        }
        defer { close(opened) }
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw VaultError(.configuration, "\(path) is no regular file with \(what)")
        }
        if status.st_mode & 0o077 != 0 { Diagnostics.warn("others can read \(path); chmod 600 would keep them out") }
        return try readAll(opened, limit: limit, what)
    }

    /// The same secret without one `\n` or `\r\n` at its end.
    static func withoutFinalNewline(_ secret: consuming SecretBytes) throws(VaultError) -> SecretBytes {
        let count = secret.withUnsafeBytes { bytes in
            var count = bytes.count
            if count > 0, bytes[count - 1] == 10 {
                count -= 1
                if count > 0, bytes[count - 1] == 13 { count -= 1 }
            }
            return count
        }
        if count == secret.count { return secret }
        do throws(CryptoError) { return try secret.copy(0..<count) } catch {
            throw VaultError(.unavailable, error.message)
        }
    }
}
