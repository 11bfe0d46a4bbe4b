package import VaultAPI

/// What an entry remembers while a command has its grant in a private file.
///
/// It stands among the entry's free-form facts: a program that does not know it sees a held entry whose owner's file is
/// the private one, which is what the entry is. It reads that file and refreshes nothing.
package struct ToolRunMark: Hashable, Sendable {
    /// The private directory.
    package let directory: String
    /// Where the entry's file belongs afterwards.
    package let place: String

    /// Why only a new login would have helped before, where that was so.
    package let deadBefore: String?

    fileprivate static let directoryKey = "run_directory"
    fileprivate static let placeKey = "run_place"
    fileprivate static let deadKey = "run_dead_before"

    init(directory: String, place: String, deadBefore: String?) {
        self.directory = directory
        self.place = place
        self.deadBefore = deadBefore
    }
}

extension EntrySummary {
    /// The command that has this entry's grant; `nil` where none has.
    package var toolRun: ToolRunMark? {
        get {
            guard let directory = metadata[ToolRunMark.directoryKey], let place = metadata[ToolRunMark.placeKey] else {
                return nil
            }
            return ToolRunMark(directory: directory, place: place, deadBefore: metadata[ToolRunMark.deadKey])
        }
        set {
            metadata[ToolRunMark.directoryKey] = newValue?.directory
            metadata[ToolRunMark.placeKey] = newValue?.place
            metadata[ToolRunMark.deadKey] = newValue?.deadBefore
        }
    }
}

extension VaultError {
    /// Nobody else may have a grant that a command is using.
    package static func isRunning(_ entry: EntrySummary) -> VaultError {
        VaultError(
            .unsafe,
            "\(entry.name) is in use by a command that vault run started; nothing was changed",
            hint: "end that command; vault doctor tells of one that was cut off"
        )
    }
}
