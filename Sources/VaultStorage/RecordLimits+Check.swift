/// What a backend checks before it looks at what it holds; each throws `.invalid`.
extension RecordLimits {
    /// Refuses a header that no store takes.
    ///
    /// - Parameters:
    ///   - old: The generation that it must exceed; `nil` for the first header of a store.
    ///   - subject: The path or address of the store, for the error.
    public static func check(
        _ header: StoredHeader,
        after old: UInt64? = nil,
        subject: String
    ) throws(StoreError) {
        guard let old else { return try RecordRules.check(header, subject: subject) }
        try RecordRules.check(header, after: old, subject: subject)
    }

    /// Refuses changes that no store takes in one commit: too many or too large, or two of one record.
    ///
    /// - Parameter subject: The path or address of the store, for the error.
    public static func check(_ changes: [RecordChange], subject: String) throws(StoreError) {
        try RecordRules.check(changes, subject: subject)
    }
}

/// What a record was found at, against what a change expects.
extension RecordChange {
    /// Refuses a change whose expectation does not hold, with `.conflict`.
    ///
    /// - Parameters:
    ///   - found: The generation of the stored record; `nil` if there is none.
    ///   - subject: The path or address of the store, for the error.
    public func check(found: UInt64?, subject: String) throws(StoreError) {
        let expected: UInt64? =
            switch self {
            case .put(_, let replacing): replacing
            case .delete(_, let generation): generation
            }
        guard found == expected else {
            throw StoreError.conflict(subject, id, found: found, expected: expected)
        }
    }
}
