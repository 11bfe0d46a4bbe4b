internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

extension VaultError {
    /// The same failure in the terms of every caller.
    init(_ error: FileError) {
        let code: Code =
            switch error.code {
            case .absent: .notFound
            case .unsafe: .unsafe
            case .tooLarge: .damaged
            case .exists: .failed
            default: .unavailable
            }
        self.init(
            code,
            "\(printable(error.path)) \(printable(error.message))",
            hint: error.hint.map(printable),
            underlying: error
        )
    }
}

/// Runs file operations and gives their errors in the terms of every caller.
func withFiles<Result: ~Copyable>(
    _ body: () throws(FileError) -> Result
) throws(VaultError) -> Result {
    do throws(FileError) { return try body() } catch { throw VaultError(error) }
}
