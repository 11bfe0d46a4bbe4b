internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// The private directory of one run: `home` is what the tool sees, and beside it stands what a later run must know.
///
/// - `lock`: locked (flock) by all who use the directory; a command inherits the lock, so that it counts as long as
///   either of `vault` and the command is alive.
/// - `real`: a link to what `home` stands for, and `links/` with those of `Overlay.links`.
/// - `files/`: the tool's files, as links to FORMAT/PATH: an entry can go during the run, and its file must not count as
///   something that the command made.
/// - `stays/`: links to files of `home` that must not leave it, whoever looks at them next: the entries by whose tokens
///   that was known may have others by then.
/// - `began/`: fingerprints of the refresh tokens that the command was given.
/// - `ready`: there once the tool's files are.
struct RunDirectory {
    let path: String

    var home: String { path + "/home" }
    private var ready: String { path + "/ready" }
    var name: String { String(path.split(separator: "/").last ?? "") }

    /// A new one, locked for its maker alone.
    static func make(below runtime: String, for vault: VaultID) throws(FileError) -> (RunDirectory, DirectoryLock) {
        let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
        let directory = RunDirectory(path: "\(runtime)/run-\(vault)-\(suffix)")
        // Under another name until it is locked: nobody may take it for one that was left behind.
        let temporary = "\(runtime)/.run-\(suffix)"
        guard mkdir(temporary, 0o700) == 0 else { throw FileError.system("make the directory", temporary) }
        guard let lock = try DirectoryLock.open(temporary, exclusive: true) else {
            throw FileError(.unavailable, temporary, "is locked by another process")
        }
        guard rename(temporary, directory.path) == 0 else { throw FileError.system("rename", temporary) }
        return (directory, lock)
    }

    /// All of one vault, whoever uses them.
    static func all(below runtime: String, of vault: VaultID) -> [RunDirectory] {
        Overlay.members(of: runtime).filter { $0.hasPrefix("run-\(vault)-") }
            .map { RunDirectory(path: "\(runtime)/\($0)") }
    }

    var exists: Bool { (try? FileStatus.of(path)) ?? nil != nil }

    /// Makes what the tool sees, but for its files, and remembers what it stands for.
    func prepare(_ overlay: Overlay) throws(FileError) {
        try Overlay.link(path + "/real", to: overlay.real)
        guard mkdir(path + "/links", 0o700) == 0 else { throw FileError.system("make the directory", path + "/links") }
        for link in overlay.links { try Overlay.link("\(path)/links/\(link.name)", to: link.target) }
        try overlay.make()
    }

    /// One of the tool's files.
    struct File: Sendable {
        let format: String
        /// Relative to `home`.
        let path: String
    }

    /// Remembers which files the tool is given, and with which refresh tokens.
    func remember(_ files: [File], _ tokens: [TokenFingerprint]) throws(FileError) {
        try write(files.map { "\($0.format)/\($0.path)" }, to: "files")
        try write(tokens.map { hexadecimal($0.bytes) }, to: "began")
    }

    /// Remembers what must not leave `home`; paths relative to it.
    func remember(staying: Set<String>) throws(FileError) {
        Overlay.remove(path + "/stays")
        if !staying.isEmpty { try write(staying.sorted(), to: "stays") }
    }

    /// What stayed when somebody last looked.
    var staying: Set<String> {
        Set(Overlay.members(of: path + "/stays").compactMap { Overlay.target(of: "\(path)/stays/\($0)") })
    }

    private func write(_ targets: [String], to name: String) throws(FileError) {
        guard mkdir("\(path)/\(name)", 0o700) == 0 else {
            throw FileError.system("make the directory", "\(path)/\(name)")
        }
        for (index, target) in targets.enumerated() { try Overlay.link("\(path)/\(name)/\(index)", to: target) }
    }

    /// The tool's files, whatever became of their entries.
    var files: [File] {
        Overlay.members(of: path + "/files").compactMap { name in
            guard let parts = Overlay.target(of: "\(path)/files/\(name)")?.split(separator: "/", maxSplits: 1),
                parts.count == 2
            else { return nil }
            return File(format: String(parts[0]), path: String(parts[1]))
        }
    }

    /// Where in a file there are refresh tokens that the command was given.
    func began(with reading: FileReading) -> Set<String> {
        let given = Set(Overlay.members(of: path + "/began").compactMap { Overlay.target(of: "\(path)/began/\($0)") })
        var found: Set<String> = []
        for grant in reading.contents.grants {
            guard let token = try? grant.token(.refreshToken)?.secret() else { continue }
            let print = token.withUnsafeBytes { TokenFingerprint(of: $0) }
            if given.contains(hexadecimal(print.bytes)) { found.insert(grant.value.pointer) }
        }
        return found
    }

    /// Where a file of `home` belongs.
    func place(of file: String) -> String {
        let real = Overlay.target(of: path + "/real") ?? ""
        return Leftover.originalPath(of: real + file.dropFirst(home.utf8.count))
    }

    /// Removes it but for what has to stay, relative to `home`.
    func remove(sparing staying: Set<String>) {
        if staying.isEmpty { return Overlay.remove(path) }
        Overlay.remove(home, sparing: Set(staying.map { "\(home)/\($0)" }))
    }

    func markReady() throws(FileError) {
        try PrivateFiles.create(ready, contents: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Whether the tool's files were written; if not, their absence says nothing.
    var isReady: Bool { (try? FileStatus.of(ready)) ?? nil != nil }

    /// The overlay of a directory that another process made.
    func overlay(files: [String]) -> Overlay {
        let links = Overlay.members(of: path + "/links").compactMap { name in
            Overlay.target(of: "\(path)/links/\(name)").map { (name: name, target: $0) }
        }
        return Overlay(real: Overlay.target(of: path + "/real") ?? "", path: home, files: files, links: links)
    }

    /// When the tool could first change anything.
    var began: Int64 { ((try? FileStatus.of(ready)) ?? nil)?.modifiedNanoseconds ?? 0 }
}

/// The lock on a run's directory.
final class DirectoryLock: Sendable {
    /// For a command to inherit.
    let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Takes it; `nil` while somebody holds it in a way that excludes this one.
    ///
    /// - Throws: `.absent` where there is no such directory any more.
    static func open(_ directory: String, exclusive: Bool) throws(FileError) -> DirectoryLock? {
        let path = directory + "/lock"
        let descriptor = vault_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw FileError.system("open", path, -descriptor) }
        let lock = DirectoryLock(descriptor)
        return lock.take(exclusive: exclusive) ? lock : nil
    }

    /// Changes what is held; without success, nothing is held any more.
    func take(exclusive: Bool) -> Bool { flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 }
}
