internal import Glibc

/// Where `vault-keyring` is.
enum KeyringProgram {
    private static let name = "vault-keyring"

    /// The path of the program.
    ///
    /// - Throws: `.programMissing` where there is none that can be executed.
    static func find(_ given: String?, environment: [String: String]) throws(KeyringError) -> String {
        if let given {
            guard isProgram(given) else {
                throw KeyringError(.programMissing, "\(given) is not an executable file")
            }
            return given
        }
        var directories: [String] = []
        if let own = ownDirectory() { directories = [own, own + "/../libexec/vault"] }
        // An empty or relative part would mean the current directory, which may be anybody's.
        directories += (environment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }.map(String.init)
        guard let found = directories.lazy.map({ $0 + "/" + name }).first(where: isProgram) else {
            throw KeyringError(
                .programMissing,
                "\(name) was found neither beside this program, nor in ../libexec/vault from there, nor on the PATH",
                hint: "install it there, or use a passphrase slot"
            )
        }
        return found
    }

    private static func isProgram(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }

    private static func ownDirectory() -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count else { return nil }
        let path = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return path.lastIndex(of: "/").map { String(path[..<$0]) }
    }
}
