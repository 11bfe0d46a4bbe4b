/// What was found out about a file that could be read and is not planned: the error that says so carries it.
enum FileVerdict: Error, Hashable, Sendable {
    /// Known, and holds nothing to import.
    case declined
    /// Path and shape disagree, or two tools write that shape.
    case ambiguous
    /// Of no kind that is known.
    case unknown
}
