/// What every backend checks before it looks at what it holds; each throws `.invalid`.
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
        guard header.bytes.count <= headerBytes else {
            throw StoreError(
                .invalid,
                subject,
                "a header of \(header.bytes.count) bytes, expected at most \(headerBytes)"
            )
        }
        try check(generation: header.generation, subject: subject)
        guard let old, header.generation <= old else { return }
        throw StoreError(
            .invalid,
            subject,
            "a header of generation \(header.generation), expected one greater than \(old)"
        )
    }

    /// Refuses changes that no store takes in one commit: too many or too large, or two of one record.
    ///
    /// - Parameter subject: The path or address of the store, for the error.
    public static func check(_ changes: [RecordChange], subject: String) throws(StoreError) {
        guard changes.count <= changesPerCommit else {
            throw StoreError(
                .invalid,
                subject,
                "\(changes.count) changes in one commit, expected at most \(changesPerCommit)"
            )
        }
        var seen: Set<RecordID> = []
        for change in changes {
            guard seen.insert(change.id).inserted else {
                throw StoreError(.invalid, subject, "record \(change.id) stands twice in one commit")
            }
            guard case .put(let record, _) = change else { continue }
            guard record.sealed.count <= recordBytes else {
                throw StoreError(
                    .invalid,
                    subject,
                    "a record of \(record.sealed.count) bytes, expected at most \(recordBytes)"
                )
            }
            try check(generation: record.generation, subject: subject)
        }
    }

    package static func check(generation: UInt64, subject: String) throws(StoreError) {
        guard generation <= self.generation else {
            throw StoreError(
                .invalid,
                subject,
                "generation \(generation), expected at most \(self.generation)"
            )
        }
    }
}

/// What was found, against what a write expects.
extension RecordChange {
    /// The generation that the stored record must have; `nil` if there must be none.
    public var expected: UInt64? {
        switch self {
        case .put(_, let replacing): replacing
        case .delete(_, let generation): generation
        }
    }

    /// Refuses a change whose expectation does not hold, with `.conflict`.
    ///
    /// - Parameters:
    ///   - found: The generation of the stored record; `nil` if there is none.
    ///   - subject: The path or address of the store, for the error.
    public func check(found: UInt64?, subject: String) throws(StoreError) {
        guard found != expected else { return }
        let found = found.map { "has generation \($0)" } ?? "does not exist"
        let wanted = expected.map { "generation \($0)" } ?? "none"
        throw StoreError(.conflict, subject, "record \(id) \(found), expected \(wanted); nothing was changed")
    }
}

extension StoreError {
    /// A header that is not of the generation a write expects.
    ///
    /// - Parameter subject: The path or address of the store.
    public static func headerMoved(_ subject: String, found: UInt64, expected: UInt64) -> StoreError {
        StoreError(
            .headerMoved,
            subject,
            "the header has generation \(found), expected \(expected); nothing was changed"
        )
    }

    /// The same error, of the header.
    var asMovedHeader: StoreError { StoreError(.headerMoved, subject, message, hint: hint, underlying: underlying) }
}
