internal import CVaultSystem
internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// The terminal a person sits at: `/dev/tty`, whatever the standard streams are connected to.
struct Terminal {
    private let descriptor: Int32

    /// `nil` where there is none.
    init?() {
        let opened = vault_open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY, 0)
        guard opened >= 0 else { return nil }
        descriptor = opened
    }

    /// Whether there is one.
    static var isPresent: Bool {
        guard let terminal = Terminal() else { return false }
        terminal.close()
        return true
    }

    func close() { _ = Glibc.close(descriptor) }

    /// Shows text as it is.
    func show(_ text: String) {
        var text = text
        text.withUTF8 { _ = try? Output.write(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    /// Shows a secret: a recovery code, once.
    func show(_ secret: SharedSecret) {
        secret.withSecret { secret in
            secret.withUnsafeBytes { _ = try? Output.write($0, to: descriptor) }
        }
    }

    /// Reads a line without showing what is typed.
    ///
    /// Ctrl-C and Ctrl-D are read as characters, so that the terminal is always put back as it was.
    ///
    /// - Throws: `.interrupted` on Ctrl-C, `.locked` on Ctrl-D or the end of input.
    func readHidden(_ prompt: String) throws(VaultError) -> SharedSecret {
        var saved = termios()
        guard tcgetattr(descriptor, &saved) == 0 else {
            throw VaultError(.locked, "the terminal cannot be read")
        }
        var hidden = saved
        hidden.c_lflag &= ~tcflag_t(ECHO | ECHONL | ICANON | ISIG)
        guard tcsetattr(descriptor, TCSAFLUSH, &hidden) == 0 else {
            throw VaultError(.locked, "the terminal's echo cannot be switched off")
        }
        defer {
            _ = tcsetattr(descriptor, TCSAFLUSH, &saved)
            show("\n")
        }
        show(prompt)
        do throws(CryptoError) {
            var line = try SecretBuffer(capacity: 1024)
            while let byte = readByte() {
                switch byte {
                case 3: throw CryptoError(.parameters, "interrupted")
                case 10, 13: return SharedSecret(try line.finish())
                case 4: if line.count == 0 { return try refused() }
                case 8, 127: line.truncate(to: max(0, line.count - 1))
                case 21: line.truncate(to: 0)
                default: try line.append(byte)
                }
            }
            return try refused()
        } catch {
            switch error.code {
            case .parameters: throw VaultError(.interrupted, "interrupted")
            case .malformed: throw VaultError(.locked, "no passphrase was given")
            default: throw VaultError(.unavailable, error.message)
            }
        }
    }

    private func refused() throws(CryptoError) -> SharedSecret { throw CryptoError(.malformed, "refused") }

    /// Asks for a line of text that is no secret; `nil` where none is given.
    func ask(_ question: String) -> String? {
        show(question)
        let text = String(decoding: line(), as: UTF8.self).filter { !$0.isWhitespace }
        return text.isEmpty ? nil : text
    }

    /// Asks a question that is answered by `y` or `yes`; everything else is no.
    func confirm(_ question: String) -> Bool {
        show(question + " [y/N] ")
        let text = String(decoding: line(), as: UTF8.self).lowercased()
        return text == "y" || text == "yes"
    }

    private func line() -> [UInt8] {
        var line: [UInt8] = []
        while line.count < 4096, let byte = readByte(), byte != 10 { line.append(byte) }
        return line
    }

    private func readByte() -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = read(descriptor, &byte, 1)
            if count < 0, errno == EINTR { continue }
            return count == 1 ? byte : nil
        }
    }
}
