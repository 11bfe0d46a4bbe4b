internal import PrivateFiles
internal import StrictJSON
public import VaultAPI
public import VaultCore
internal import VaultCrypto

/// A command that has the file of its tool, in a private directory in memory, for as long as it runs.
///
/// Meanwhile its entries are held, and their owner's file is the private one: `token` reads what the command makes of
/// it, and refreshes nothing. At the end the file is imported and removed like any other.
public final class ToolRun: Sendable {
    /// Whose grants the command has.
    public let names: [EntryName]
    /// What points the tool at the private directory.
    public let variables: [String: String]
    /// The private directory.
    public var directory: String { run.path }
    private let run: RunDirectory
    /// This process's own; the command has another, since two that share one open file share its lock as well.
    private let lock: DirectoryLock

    private init(_ run: RunDirectory, _ lock: DirectoryLock, _ files: [ToolFile], _ names: [EntryName]) {
        self.run = run
        self.lock = lock
        self.names = names
        var variables: [String: String] = [:]
        for file in files {
            let redirection = file.redirection
            variables[redirection.variable] = run.home
            for (name, value) in redirection.settings {
                variables[name] = value.replacing("{directory}", with: run.home)
                    .replacing("{file}", with: "\(run.home)/\(file.relativePath)")
            }
        }
        self.variables = variables
    }

    /// Holds the entries of a tool and writes its files, or joins a command that has them already.
    ///
    /// - Parameters:
    ///   - tool: A format, or a command that goes with one.
    ///   - name: The entry, where several would do or it came from no file.
    ///   - runtimeDirectory: The value of `XDG_RUNTIME_DIR`.
    ///   - report: Called with what became of other runs that were cut off.
    ///   - admit: Called with each entry before anything is written; what it throws ends the run.
    /// - Throws: `.usage` for an unknown tool or where a name is needed; `.notFound` where there is no entry or no kept
    ///   file; `.unsafe` where somebody else owns the grant, or the directory is not private or not in memory;
    ///   `.loginRequired` for a grant that is dead. The entries are then as they were.
    public static func begin(
        _ tool: String,
        _ name: EntryName?,
        in vault: Vault,
        machine: Machine,
        runtimeDirectory: String?,
        now: Timestamp,
        report: (ToolRunEnd) -> Void = { _ in },
        admit: (EntrySummary) async throws(VaultError) -> Void = { (_) throws(VaultError) in }
    ) async throws(VaultError) -> ToolRun {
        var isAdmitted = false
        let runtime = try RuntimeDirectory.forRuns(runtimeDirectory)
        for _ in 0..<100 {
            let ends = try await settleAll(of: vault, below: runtime, now: now)
            let files: [ToolFile]
            do throws(VaultError) {
                files = try await ToolFile.select(tool, name, in: vault, machine: machine, now: now)
            } catch {
                if !isAdmitted { ends.forEach(report) }
                throw error
            }
            let entries = files.flatMap(\.entries)
            let wanted = Set(entries.compactMap { $0.toolRun?.directory })
            // A run that cannot be ended concerns those who want its grants.
            if !isAdmitted {
                for end in ends where !wanted.contains(end.directory) || end.failure == nil { report(end) }
            }
            if let failure = ends.first(where: { wanted.contains($0.directory) })?.failure { throw failure }
            if !isAdmitted { for entry in entries { try await admit(entry) } }
            isAdmitted = true
            guard let mark = entries.compactMap(\.toolRun).first else {
                return try await begin(files, below: runtime, in: vault, machine: machine, now: now)
            }
            guard entries.allSatisfy({ $0.toolRun?.directory == mark.directory }) else {
                throw VaultError.isRunning(entries.first { $0.toolRun != nil } ?? entries[0])
            }
            let run = RunDirectory(path: mark.directory)
            guard run.exists else { throw VaultError.runIsGone(entries[0]) }
            if let lock = try? DirectoryLock.open(run.path, exclusive: false), run.isReady, run.exists {
                return ToolRun(run, lock, files, entries.map(\.name).sorted())
            }
            // Whoever began or ended it is about to be done.
            do { try await Task.sleep(for: .milliseconds(100)) } catch {
                throw VaultError(.interrupted, "waiting for another command of \(tool) was cancelled")
            }
        }
        throw VaultError(.unavailable, "another command of \(tool) neither begins nor ends", hint: "vault doctor")
    }

    private static func begin(
        _ files: [ToolFile],
        below runtime: String,
        in vault: Vault,
        machine: Machine,
        now: Timestamp
    ) async throws(VaultError) -> ToolRun {
        guard let first = files.first, let real = first.redirection.directory.path(on: machine) else {
            throw VaultError(.configuration, "the home directory is not known", hint: "set HOME")
        }
        let leases = try await EntryLeases(files.flatMap(\.entries), in: vault)
        defer { leases.release() }
        var written: [(path: String, bytes: SharedSecret)] = []
        let (run, lock) = try withFiles { () throws(FileError) in try RunDirectory.make(below: runtime, for: vault.id) }
        do throws(VaultError) {
            var links: [(name: String, target: String)] = []
            if machine.variables[first.redirection.variable] == nil {
                links = first.redirection.links.compactMap { link in
                    link.value.path(on: machine).map { (name: link.key, target: $0) }
                }
            }
            let overlay = Overlay(real: real, path: run.home, files: files.map(\.relativePath), links: links)
            try withFiles { () throws(FileError) in try run.prepare(overlay) }
            for file in files {
                let rendering = try await file.render(leases, now: now)
                let place = "\(run.home)/\(file.relativePath)"
                for lease in leases.all where file.entries.contains(where: { $0.id == lease.id }) {
                    try await lease.update { (summary, _) throws(VaultError) in
                        var dead: String?
                        if case .reauthorizationRequired(let reason) = summary.state { dead = reason }
                        let back = file.isMade ? "\(real)/\(file.relativePath)" : file.kept.path
                        let pointer = file.pointer(of: summary)
                        let sha256 = summary.source?.sha256 ?? rendering.sha256
                        summary.toolRun = ToolRunMark(
                            directory: run.path,
                            place: back,
                            isMade: file.isMade,
                            origin: file.isMade ? summary.source : nil,
                            deadBefore: dead
                        )
                        summary.state = .held(.secondOwner)
                        summary.source = EntrySource(
                            path: place,
                            sha256: sha256,
                            pointer: pointer,
                            format: file.kept.format
                        )
                    }
                }
                written.append((place, rendering.bytes))
            }
            var tokens: [TokenFingerprint] = []
            for lease in leases.all {
                let copy = try EntryCopy(try await lease.read())
                if let token = copy.secrets.fingerprint(.refreshToken) { tokens.append(token) }
            }
            try withFiles { [tokens] () throws(FileError) in
                let given = files.map { RunDirectory.File(format: $0.kept.format, path: $0.relativePath) }
                try run.remember(given, tokens)
            }
            // From here on the command may be the owner: every entry is held, and durably so.
            try withFiles { () throws(FileError) in
                for file in written {
                    try file.bytes.withBytes { (bytes) throws(FileError) in
                        try PrivateFiles.create(file.path, contents: bytes)
                    }
                }
                try run.markReady()
            }
        } catch {
            leases.release()
            Overlay.remove(run.home)
            _ = try? await RunEnd.finish(run, in: vault, now: now)
            throw error
        }
        leases.release()
        guard lock.take(exclusive: false), run.exists else {
            throw VaultError(.temporary, "another vault took the private directory away", hint: "try again")
        }
        return ToolRun(run, lock, files, files.flatMap(\.entries).map(\.name).sorted())
    }

    /// Calls `body` with a descriptor for the command to inherit: as long as anything that the command started has it,
    /// the directory is in use, whatever becomes of this process.
    ///
    /// - Throws: `.temporary` where the directory is being taken away.
    public func withLockOfCommand<Result>(_ body: (Int32) -> Result) throws(VaultError) -> Result {
        let lock = try withFiles { () throws(FileError) in try DirectoryLock.open(run.path, exclusive: false) }
        guard let lock else {
            throw VaultError(.temporary, "another vault takes the private directory away", hint: "try again")
        }
        return withExtendedLifetime(lock) { body(lock.descriptor) }
    }

    /// Takes back what the command made of its files, ends the hold, and removes the directory; `nil` while another
    /// command, or a process that this one left behind, uses it.
    ///
    /// - Throws: Why not; then the directory stays, the entries are held, and the next run tries again.
    public func end(in vault: Vault, now: Timestamp) async throws(VaultError) -> ToolRunEnd? {
        guard lock.take(exclusive: true) else { return nil }
        guard run.isReady else {
            let first = try await vault.summary(of: names[0])
            throw VaultError.runIsGone(first)
        }
        return try await RunEnd.finish(run, in: vault, now: now)
    }
}

/// What became of the grants that a command had.
public struct ToolRunEnd: Sendable {
    /// Whose tokens are others now.
    public internal(set) var updated: [EntryName] = []
    /// Entries that were made, of grants that the command got.
    public internal(set) var added: [EntryName] = []
    /// Those that the tool took out of its file: it logged out.
    public internal(set) var loggedOut: [EntryName] = []
    /// Sentences that the user should read.
    public internal(set) var notes: [String] = []
    /// All whose hold has ended, for a sentence.
    public internal(set) var names = ""
    /// Why it could not be ended; nothing else is known of it then.
    public internal(set) var failure: VaultError?
    /// The private directory.
    package internal(set) var directory = ""
}

/// How a run stands that an entry remembers.
public enum ToolRunState: Sendable {
    /// Its command is at work.
    case live
    /// It was cut off; what it left has been taken in just now.
    case settled(ToolRunEnd)
    /// Its private directory is gone, and whatever its command had made there.
    case gone
}

extension ToolRun {
    /// Ends the run that an entry remembers, where nobody uses its directory any more; `nil` where it remembers none.
    public static func settle(
        _ entry: EntrySummary,
        in vault: Vault,
        now: Timestamp
    ) async throws(VaultError) -> ToolRunState? {
        guard let mark = entry.toolRun else { return nil }
        let run = RunDirectory(path: mark.directory)
        guard run.exists else { return .gone }
        let lock = try withFiles { () throws(FileError) in try DirectoryLock.open(run.path, exclusive: true) }
        guard let lock else { return .live }
        defer { withExtendedLifetime(lock) {} }
        return .settled(try await RunEnd.finish(run, in: vault, now: now))
    }

    /// Ends all runs that were cut off, and clears away what no entry remembers.
    ///
    /// - Parameter runtimeDirectory: The value of `XDG_RUNTIME_DIR`.
    package static func settleAll(
        of vault: Vault,
        runtimeDirectory: String?,
        now: Timestamp
    ) async throws(VaultError) -> [ToolRunEnd] {
        // Where there is none that is fit for runs, none was made there.
        try await settleAll(of: vault, below: try? RuntimeDirectory.forRuns(runtimeDirectory), now: now)
    }

    /// One that cannot be ended is among them, with the reason: it is no business of the others.
    static func settleAll(
        of vault: Vault,
        below runtime: String?,
        now: Timestamp
    ) async throws(VaultError) -> [ToolRunEnd] {
        var ends: [ToolRunEnd] = []
        let listing: Listing = try await vault.list()
        var seen: Set<String> = []
        for entry in listing.entries {
            guard let mark = entry.toolRun, seen.insert(mark.directory).inserted else { continue }
            do throws(VaultError) {
                if case .settled(let end) = try await settle(entry, in: vault, now: now) { ends.append(end) }
            } catch { ends.append(failed(mark.directory, error)) }
        }
        guard let runtime else { return ends }
        for run in RunDirectory.all(below: runtime, of: vault.id) where !seen.contains(run.path) {
            // Whoever is just beginning there has it locked, and has no entry yet.
            guard let found = try? DirectoryLock.open(run.path, exclusive: true) else { continue }
            defer { withExtendedLifetime(found) {} }
            do throws(VaultError) { ends.append(try await RunEnd.finish(run, in: vault, now: now)) } catch {
                ends.append(failed(run.path, error))
            }
        }
        return ends
    }

    private static func failed(_ directory: String, _ error: VaultError) -> ToolRunEnd {
        var end = ToolRunEnd()
        end.directory = directory
        end.failure = error
        return end
    }

    /// Ends the hold of an entry whose private directory is gone: its refresh token may be spent, and the user says so.
    package static func forget(_ name: EntryName, in vault: Vault) async throws(VaultError) {
        try await vault.update(name) { (summary, _) throws(VaultError) in
            guard let mark = summary.toolRun, !RunDirectory(path: mark.directory).exists else { return }
            summary.endToolRun(mark, at: mark.directory, isNew: false)
        }
    }
}

extension EntrySummary {
    /// Whether a command has it still; one that was cut off has a directory that nobody uses.
    package var isRunUnderWay: Bool { toolRun.map { RunDirectory(path: $0.directory).exists } ?? false }

    /// Whether a command had it whose private directory is gone: nobody knows what became of its refresh token.
    package var isRunGone: Bool { toolRun != nil && !isRunUnderWay }

    /// As it is once no command has its grant any more.
    mutating func endToolRun(_ mark: ToolRunMark, at directory: String, isNew: Bool) {
        let wasMade = toolRun?.isMade ?? false
        toolRun = nil
        if let path = source?.path, path.hasPrefix(directory + "/") {
            // What was made for the command is no place that the grant came from, unless the command made the entry.
            if mark.isMade, !isNew || wasMade { source = mark.origin } else { source?.path = mark.place }
        }
        guard state == .held(.secondOwner) || state == .active else { return }
        if let dead = mark.deadBefore, !isNew { state = .reauthorizationRequired(dead) } else { state = .active }
    }
}

extension VaultError {
    /// Nobody knows what a command made of a grant.
    static func runIsGone(_ entry: EntrySummary) -> VaultError {
        VaultError(
            .unsafe,
            "\(entry.name) was in use by a command when its private directory went away with the session: its refresh "
                + "token may be spent",
            hint: "vault adopt \(entry.name.name) uses it all the same; vault login \(entry.name.name) is sure to work"
        )
    }
}
