internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore

/// The private directory of one run: `home` is what the tool sees, and beside it stands what a later run must know.
///
/// - `lock`: locked (flock) by all who use the directory; a command inherits the lock, so that it counts as long as
///   either of `vault` and the command is alive.
/// - `real`: a link to what `home` stands for, and `links/` with those of `Overlay.links`.
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
