internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The end of a run, by whoever finds its directory unused: the command that began it, or any later one.
enum RunEnd {
    /// Takes the files in, ends the hold, moves what else is new to its place, and removes the directory, in that order:
    /// killed at any instant, it leaves each token in the vault, in the file, or in both.
    ///
    /// The caller has the directory to itself.
    static func finish(_ run: RunDirectory, in vault: Vault, now: Timestamp) async throws(VaultError) -> ToolRunEnd {
        var end = ToolRunEnd()
        end.directory = run.path
        let listing: Listing = try await vault.list()
        let entries = listing.entries.filter { $0.toolRun?.directory == run.path }
        var files: [String: [EntrySummary]] = [:]
        for entry in entries {
            guard let source = entry.source, source.path.hasPrefix(run.home + "/") else { continue }
            files[source.path, default: []].append(entry)
        }
        if run.isReady {
            for (path, entries) in files.sorted(by: { $0.key < $1.key }) {
                try await take(path, entries, into: vault, now, &end)
            }
        }
        let relative = Set(files.keys.map { String($0.dropFirst(run.home.utf8.count + 1)) })
        var remains = RunRemains(run, vault, now, remembered: relative, entries)
        if run.isReady { try await remains.settle(&end) }
        try await release(run, entries, files, vault, end)
        end.names = Set(entries.map(\.name) + end.added).sorted().map(\.description).joined(separator: ", ")
        if run.isReady {
            var overlay = run.overlay(files: Array(relative.union(run.files.map(\.path))))
            overlay.staying = remains.staying
            let began = run.began
            end.notes += try withFiles { () throws(FileError) in try overlay.giveBack(since: began, name: run.name) }
        }
        run.remove(sparing: remains.staying)
        return end
    }

    /// Imports one file and removes it.
    private static func take(
        _ path: String,
        _ entries: [EntrySummary],
        into vault: Vault,
        _ now: Timestamp,
        _ end: inout ToolRunEnd
    ) async throws(VaultError) {
        // Whoever logged in or adopted meanwhile has made the grant the vault's own: the file's is an older one.
        let ours = Set(entries.filter { $0.state == .held(.secondOwner) }.map(\.name))
        let others = Set(entries.map(\.name)).subtracting(ours)
        guard try withFiles({ () throws(FileError) in try FileStatus.of(path) }) != nil else {
            end.loggedOut += ours.sorted()
            return
        }
        var options = ImportOptions()
        options.format = entries.first?.source?.format
        options.remove = true
        options.fileIsNewest = true
        var plan = try await ImportPlan.make([path], options: options, for: vault, now: now)
        if let failure = plan.failures.first {
            // A file in which there is no token says what one that is gone says.
            guard failure.error.code == .notFound else { throw stays(path, failure.error) }
            end.loggedOut += ours.sorted()
            return
        }
        plan.items.removeAll { others.contains($0.name) }
        let report = await plan.execute(into: vault, now: now)
        if let failure = report.failures.first { throw stays(path, failure.error) }
        let found = Set(report.outcomes.map(\.item.name))
        end.loggedOut += ours.subtracting(found).sorted()
        for outcome in report.outcomes {
            switch outcome.result {
            case .imported: end.added.append(outcome.item.name)
            case .updated: end.updated.append(outcome.item.name)
            case .unchanged, .skipped, .copy: break
            }
        }
    }

    private static func stays(_ path: String, _ error: VaultError) -> VaultError {
        let file = printable(path)
        return VaultError(
            error.code,
            "what the command left in \(file) could not be taken back: \(error.message); it stays there",
            hint: error.code == .unavailable
                ? "the next vault run tries again"
                : "put \(file) right, or remove it: the vault has the tokens that it began with; then vault run again",
            underlying: error
        )
    }

    /// Ends the hold of all entries, those that were made just now among them.
    private static func release(
        _ run: RunDirectory,
        _ entries: [EntrySummary],
        _ files: [String: [EntrySummary]],
        _ vault: Vault,
        _ end: ToolRunEnd
    ) async throws(VaultError) {
        let new = Set(end.updated + end.added)
        for name in Set(entries.map(\.name) + end.added) {
            _ = try await vault.update(name) { (summary, _) throws(VaultError) in
                let path = summary.source?.path ?? ""
                guard let mark = summary.toolRun ?? files[path]?.first?.toolRun else {
                    if path.hasPrefix(run.home + "/") { summary.source?.path = run.place(of: path) }
                    return
                }
                summary.endToolRun(mark, at: run.path, isNew: new.contains(name))
            }
        }
    }
}
