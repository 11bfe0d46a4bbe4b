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
    /// Whether the command's file was made for it: then where the entry came from, if from anywhere, is another file.
    package let isMade: Bool
    /// Where an entry whose file was made came from.
    package let origin: EntrySource?

    /// Why only a new login would have helped before, where that was so.
    package let deadBefore: String?

    fileprivate static let directoryKey = "run_directory"
    fileprivate static let placeKey = "run_place"
    fileprivate static let deadKey = "run_dead_before"
    fileprivate static let originKey = "run_origin"

    init(directory: String, place: String, isMade: Bool, origin: EntrySource?, deadBefore: String?) {
        self.directory = directory
        self.place = place
        self.isMade = isMade
        self.origin = origin
        self.deadBefore = deadBefore
    }

    /// Four lines; none of them where there is no origin.
    fileprivate var originText: String? {
        guard isMade else { return nil }
        guard let origin else { return "" }
        return [hexadecimal(origin.sha256), origin.format, origin.pointer, origin.path].joined(separator: "\n")
    }

    fileprivate static func origin(_ text: String?) -> EntrySource? {
        let lines = (text ?? "").split(separator: "\n", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard lines.count == 4, lines[0].utf8.count == 64 else { return nil }
        let digits = Array(lines[0].utf8)
        let bytes = stride(from: 0, to: 64, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16)
        }
        guard bytes.count == 32 else { return nil }
        return EntrySource(path: lines[3], sha256: bytes, pointer: lines[2], format: lines[1])
    }
}

extension EntrySummary {
    /// The command that has this entry's grant; `nil` where none has.
    package var toolRun: ToolRunMark? {
        get {
            guard let directory = metadata[ToolRunMark.directoryKey], let place = metadata[ToolRunMark.placeKey] else {
                return nil
            }
            return ToolRunMark(
                directory: directory,
                place: place,
                isMade: metadata[ToolRunMark.originKey] != nil,
                origin: ToolRunMark.origin(metadata[ToolRunMark.originKey]),
                deadBefore: metadata[ToolRunMark.deadKey]
            )
        }
        set {
            metadata[ToolRunMark.directoryKey] = newValue?.directory
            metadata[ToolRunMark.placeKey] = newValue?.place
            metadata[ToolRunMark.deadKey] = newValue?.deadBefore
            metadata[ToolRunMark.originKey] = newValue?.originText
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
