package import VaultAPI

/// Something that happened to a secret and that the audit log is to say.
package struct AuditEvent: Sendable {
    /// What happened.
    package enum Kind: String, Sendable, CaseIterable {
        /// An access token was given.
        case token
        /// An id token was given.
        case idToken = "id_token"
        /// A static secret was given.
        case secret
        /// The header fields of one request were given.
        case authorization
        /// Secrets were shown to a person.
        case revealed
        /// Secrets were written into a program's own file.
        case file
        /// A backup with all secrets was written.
        case exported
        /// Something was refused.
        case denied
        /// The chain of lines was found broken, and goes on from here.
        case broken = "break"
        /// The user has taken note of breaks.
        case acknowledged
    }

    package var kind: Kind
    /// How it went, in a word or a short sentence: `given`, or why not.
    package var outcome: String
    package var name: EntryName?
    package var entry: EntryID?
    package var caller: Caller

    package init(
        _ kind: Kind,
        outcome: String = "given",
        name: EntryName? = nil,
        entry: EntryID? = nil,
        caller: Caller
    ) {
        self.kind = kind
        self.outcome = outcome
        self.name = name
        self.entry = entry
        self.caller = caller
    }
}

/// Where the chain of lines should have gone on, as far as the writer that found it broken knew.
package struct AuditBreak: Hashable, Sendable {
    /// The number of the last line that there should have been.
    package var expected: UInt64
    /// The number of the last line that there was; 0 where none could be read.
    package var found: UInt64
    /// What was wrong, in a sentence.
    package var reason: String
}

/// One line of the audit log, opened.
package struct AuditLine: Hashable, Sendable {
    /// 1 for the first line ever; never used twice.
    package var number: UInt64
    /// The link of the line before: what this one is chained to.
    package var previous: [UInt8]
    package var time: Timestamp
    /// A kind of event, by its word; a newer version may know more.
    package var event: String
    package var outcome = ""
    package var name: String?
    package var entry: EntryID?
    package var caller: Caller?
    /// How many hand-outs before this one have no line, because none could be written.
    package var unwritten: UInt64 = 0
    /// How many bytes of a line that was not finished were cut off before this one.
    package var torn: UInt32 = 0
    /// What stands before this line is not what was written there.
    package var broken: AuditBreak?
    /// The lines before this number were dropped with the oldest file.
    package var oldest: UInt64?
    /// The fingerprints of the breaks that the user has taken note of.
    package var acknowledged: [[UInt8]] = []
}
