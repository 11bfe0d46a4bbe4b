/// What every store checks before it looks at what it holds.
package enum RecordRules {
    package static func check(_ header: StoredHeader, subject: String) throws(StoreError) {
        guard header.bytes.count <= RecordLimits.headerBytes else {
            throw StoreError(
                .invalid,
                subject,
                "a header of \(header.bytes.count) bytes, expected at most \(RecordLimits.headerBytes)"
            )
        }
        try check(generation: header.generation, subject: subject)
    }

    package static func check(_ header: StoredHeader, after old: UInt64, subject: String) throws(StoreError) {
        try check(header, subject: subject)
        guard header.generation > old else {
            throw StoreError(
                .invalid,
                subject,
                "a header of generation \(header.generation), expected one greater than \(old)"
            )
        }
    }

    package static func check(_ changes: [RecordChange], subject: String) throws(StoreError) {
        guard changes.count <= RecordLimits.changesPerCommit else {
            throw StoreError(
                .invalid,
                subject,
                "\(changes.count) changes in one commit, expected at most \(RecordLimits.changesPerCommit)"
            )
        }
        var seen: Set<RecordID> = []
        for change in changes {
            guard seen.insert(change.id).inserted else {
                throw StoreError(.invalid, subject, "record \(change.id) stands twice in one commit")
            }
            guard case .put(let record, _) = change else { continue }
            guard record.sealed.count <= RecordLimits.recordBytes else {
                throw StoreError(
                    .invalid,
                    subject,
                    "a record of \(record.sealed.count) bytes, expected at most \(RecordLimits.recordBytes)"
                )
            }
            try check(generation: record.generation, subject: subject)
        }
    }

    package static func check(generation: UInt64, subject: String) throws(StoreError) {
        guard generation <= RecordLimits.generation else {
            throw StoreError(
                .invalid,
                subject,
                "generation \(generation), expected at most \(RecordLimits.generation)"
            )
        }
    }
}

extension StoreError {
    /// A record that is not as the change expects it.
    package static func conflict(_ subject: String, _ id: RecordID, found: UInt64?, expected: UInt64?) -> StoreError {
        let found = found.map { "has generation \($0)" } ?? "does not exist"
        let expected = expected.map { "generation \($0)" } ?? "none"
        return StoreError(.conflict, subject, "record \(id) \(found), expected \(expected); nothing was changed")
    }

    /// The same, of the header.
    var asMovedHeader: StoreError { StoreError(.headerMoved, subject, message, hint: hint, underlying: underlying) }

    /// A header that is not of the generation a write expects.
    package static func headerMoved(_ subject: String, found: UInt64, expected: UInt64) -> StoreError {
        StoreError(
            .headerMoved,
            subject,
            "the header has generation \(found), expected \(expected); nothing was changed"
        )
    }
}
