internal import Glibc

/// A program that is part of the vault and runs as its child, because of what it links or waits for.
package struct HelperProgram: Sendable {
    /// What its file is called.
    package let name: String

    /// A program of that name, wherever it is.
    package init(_ name: String) { self.name = name }

    /// The path of the program: the one that is given, or found beside this executable, in `../libexec/vault` from
    /// there, or on the PATH.
    ///
    /// - Throws: `.missing` where there is none that can be executed.
    package func find(_ given: String? = nil, environment: [String: String]) throws(HelperFailure) -> String {
        if let given {
            guard Self.isProgram(given) else { throw HelperFailure(.missing, "\(given) is not an executable file") }
            return given
        }
        var directories: [String] = []
        if let own = Self.ownDirectory() { directories = [own, own + "/../libexec/vault"] }
        // An empty or relative part would mean the current directory, which may be anybody's.
        directories += (environment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }.map(String.init)
        guard let found = directories.lazy.map({ $0 + "/" + name }).first(where: Self.isProgram) else {
            throw HelperFailure(
                .missing,
                "\(name) was found neither beside this program, nor in ../libexec/vault from there, nor on the PATH"
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

/// Why a helper does not run.
package struct HelperFailure: Error, Sendable {
    /// The class of failure.
    package let kind: Kind
    /// What failed; one sentence without a full stop.
    package let message: String

    /// Makes a failure.
    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// What can be done about it.
    package enum Kind: Sendable {
        /// It is not installed, or is no program.
        case missing
        /// There is no descriptor or process left.
        case failed
    }
}
