package import PrivateFiles

extension StoreError {
    /// The same failure in the store's words.
    package init(_ error: FileError) {
        let code: Code =
            switch error.code {
            case .absent: .absent
            case .exists: .exists
            case .unsafe: .unsafe
            case .tooLarge: .damaged
            default: .unavailable
            }
        self.init(code, error.path, error.message, hint: error.hint, underlying: error)
    }
}

/// Runs `body` with its file errors put in the store's words.
func translatingFileErrors<Result: ~Copyable>(
    _ body: () throws(FileError) -> Result
) throws(StoreError) -> Result {
    do throws(FileError) {
        return try body()
    } catch {
        throw StoreError(error)
    }
}
