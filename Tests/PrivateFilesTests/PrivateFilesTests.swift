import Foundation
import PrivateFiles
import TestSupport
import Testing

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "vault-files-\(UUID().uuidString)", directoryHint: .notDirectory).path
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}

private func write(_ text: String, to path: String, mode: UInt32 = 0o600) throws {
    try Data(text.utf8).write(to: URL(filePath: path))
    try #require(chmod(path, mode) == 0)
}

private func text(_ path: String) throws -> String {
    String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
}

private func mode(_ path: String) throws -> UInt32 { try #require(try FileStatus.of(path)).mode }

private func create(_ path: String, _ text: String) throws {
    try Array(text.utf8).withUnsafeBytes { bytes in
        try PrivateFiles.create(path, contents: bytes)
    }
}

private func replace(_ path: String, _ text: String, mode: UInt32 = 0o600) throws {
    try Array(text.utf8).withUnsafeBytes { bytes in
        try PrivateFiles.replace(path, contents: bytes, mode: mode)
    }
}

@discardableResult
private func expectRefusal(
    _ code: FileError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) throws -> FileError? {
    do {
        try body()
    } catch let error as FileError {
        #expect(error.code == code, "refused with another code: \(error)", sourceLocation: sourceLocation)
        return error
    }
    Issue.record("was not refused", sourceLocation: sourceLocation)
    return nil
}

struct DirectoryTests {
    @Test func makesWhatIsMissingAboveItToo() throws {
        let place = try TemporaryDirectory()
        try PrivateFiles.makeDirectory(place("a/b/c"))
        for name in ["a", "a/b", "a/b/c"] { #expect(try mode(place(name)) == 0o700) }
        try PrivateFiles.makeDirectory(place("a/b/c"))
        try PrivateFiles.makeDirectory(place("a/b/c/"))
        try PrivateFiles.requireDirectory(place("a/b/c//"))
    }

    @Test func leavesDirectoriesAboveItAsTheyAre() throws {
        let place = try TemporaryDirectory()
        try #require(mkdir(place("wide"), 0o755) == 0 && chmod(place("wide"), 0o755) == 0)
        try PrivateFiles.makeDirectory(place("wide/own"))
        #expect(try mode(place("wide")) == 0o755)
        #expect(try mode(place("wide/own")) == 0o700)
    }

    @Test func makesPrivateOnesWhateverTheMask() async throws {
        for mask in [0, 0o777] as [UInt32] {
            let place = try TemporaryDirectory()
            if geteuid() == 0 { try #require(chown(place.path, 65534, 65534) == 0) }
            await #expect(processExitsWith: .success) { [path = place.path as String, mask = mask as UInt32] in
                if geteuid() == 0 { try #require(setgid(65534) == 0 && setuid(65534) == 0) }
                umask(mask)
                try PrivateFiles.makeDirectory("\(path)/a/b")
                try create("\(path)/a/b/created", "one")
                try replace("\(path)/a/b/replaced", "two")
                try replace("\(path)/a/b/public", "three", mode: 0o644)
                #expect(try text("\(path)/a/b/created") == "one")
            }
            #expect(try mode(place("a")) == 0o700)
            #expect(try mode(place("a/b")) == 0o700)
            #expect(try mode(place("a/b/created")) == 0o600)
            #expect(try mode(place("a/b/replaced")) == 0o600)
            #expect(try mode(place("a/b/public")) == 0o644)
        }
    }

    @Test func refusesWhatIsNotPrivateOrNoDirectory() throws {
        let place = try TemporaryDirectory()
        try PrivateFiles.makeDirectory(place("own"))
        try #require(symlink(place("own"), place("link")) == 0)
        try write("", to: place("file"))
        for name in ["link", "link/", "file"] {
            try expectRefusal(.unsafe) { try PrivateFiles.makeDirectory(place(name)) }
            try expectRefusal(.unsafe) { try PrivateFiles.requireDirectory(place(name)) }
        }
        try #require(chmod(place("own"), 0o710) == 0)
        let error = try expectRefusal(.unsafe) { try PrivateFiles.requireDirectory(place("own")) }
        #expect(error?.hint == "chmod 700 \(place("own"))")
        #expect(try mode(place("own")) == 0o710, "refusing changed the mode")
        try expectRefusal(.absent) { try PrivateFiles.requireDirectory(place("nothing")) }
    }

    @Test(arguments: [("/", "/"), ("//", "/"), ("/a", "/"), ("/a/b/", "/a"), ("a", "."), ("a/b", "a"), ("a//b", "a/")])
    func knowsTheParent(_ path: String, _ parent: String) {
        #expect(PrivateFiles.parentDirectory(of: path) == parent)
    }
}

struct OpeningTests {
    @Test func readsWhatIsThere() throws {
        let place = try TemporaryDirectory()
        try write("contents", to: place("file"))
        let descriptor = try PrivateFiles.open(place("file"))
        var buffer = [UInt8](repeating: 0, count: 20)
        let count = try buffer.withUnsafeMutableBytes { bytes in try descriptor.read(into: bytes) }
        #expect(buffer.prefix(count).elementsEqual("contents".utf8))
        #expect(fcntl(descriptor.rawValue, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test(arguments: ["a link", "a FIFO", "a directory", "a hard link", "a wide file", "a device"])
    func refuses(_ obstacle: String) throws {
        let place = try TemporaryDirectory()
        var path = place("file")
        switch obstacle {
        case "a link":
            try write("", to: place("real"))
            try #require(symlink(place("real"), path) == 0)
        case "a FIFO": try #require(mkfifo(path, 0o600) == 0)
        case "a directory": try #require(mkdir(path, 0o700) == 0)
        case "a hard link":
            try write("", to: path)
            try #require(link(path, place("other")) == 0)
        case "a wide file": try write("", to: path, mode: 0o604)
        default: path = "/dev/null"
        }
        try expectRefusal(.unsafe) { _ = try PrivateFiles.open(path) }
        try expectRefusal(.unsafe) { _ = try PrivateFiles.open(path, forWriting: true) }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can make a file of another user"))
    func refusesAFileOfAnotherUser() throws {
        let place = try TemporaryDirectory()
        try write("", to: place("file"))
        try #require(chown(place("file"), 65534, 65534) == 0)
        try expectRefusal(.unsafe) { _ = try PrivateFiles.open(place("file")) }
    }

    @Test func doesNotFollowALinkEvenIfAskedDirectly() throws {
        let place = try TemporaryDirectory()
        try write("", to: place("real"))
        try #require(symlink(place("real"), place("link")) == 0)
        try expectRefusal(.unsafe) { _ = try Descriptor.open(place("link")) }
    }

    @Test func tellsAbsenceFromFailure() throws {
        let place = try TemporaryDirectory()
        try expectRefusal(.absent) { _ = try PrivateFiles.open(place("nothing")) }
        try write("", to: place("file"))
        try expectRefusal(.unavailable) { _ = try PrivateFiles.open(place("file/below")) }
    }
}

struct WritingTests {
    @Test func createsOnlyWhatIsNotThere() throws {
        let place = try TemporaryDirectory()
        try create(place("file"), "first")
        try expectRefusal(.exists) { try create(place("file"), "second") }
        #expect(try text(place("file")) == "first")
        try #require(symlink(place("nowhere"), place("link")) == 0)
        try expectRefusal(.exists) { try create(place("link"), "second") }
        #expect(try place.names == ["file", "link"], "a temporary file remains")
    }

    @Test func createsOnceAmongMany() async throws {
        let place = try TemporaryDirectory()
        let made = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<20 {
                group.addTask { (try? create(place("file"), "\(number)")) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        #expect(try place.names == ["file"])
    }

    @Test func replacesAsAWhole() throws {
        let place = try TemporaryDirectory()
        try write("a long first version", to: place("file"))
        let old = try #require(try FileStatus.of(place("file")))
        let reader = try PrivateFiles.open(place("file"))
        try replace(place("file"), "short")
        #expect(try text(place("file")) == "short")
        // Who had it open keeps the old bytes: it was not written in place.
        #expect(try reader.status().inode == old.inode)
        #expect(try reader.status().size == 20)
        #expect(try #require(try FileStatus.of(place("file"))).inode != old.inode)
        #expect(try place.names == ["file"])
    }

    @Test func replacesALinkAndNotWhatItLeadsTo() throws {
        let place = try TemporaryDirectory()
        try write("untouched", to: place("real"))
        try #require(symlink(place("real"), place("link")) == 0)
        try replace(place("link"), "new")
        #expect(try text(place("real")) == "untouched")
        #expect(try #require(try FileStatus.of(place("link"))).kind == .regular)
    }

    @Test func leavesNothingWhereItFails() throws {
        let place = try TemporaryDirectory()
        try #require(mkdir(place("directory"), 0o700) == 0)
        try expectRefusal(.unavailable) { try replace(place("directory"), "text") }
        #expect(try place.names == ["directory"])
        try expectRefusal(.absent) { try replace(place("missing/file"), "text") }
    }

    @Test func reportsAFullDisk() throws {
        // Every write to it fails with ENOSPC, on any machine.
        let full = try Descriptor(
            owning: #require([open("/dev/full", O_RDWR | O_CLOEXEC)].first { $0 >= 0 }),
            path: "full"
        )
        let error = try expectRefusal(.unavailable) {
            try [1, 2, 3].withUnsafeBytes { bytes in try full.write(bytes) }
        }
        #expect(error?.message == "cannot write it: No space left on device")
    }

    @Test func removes() throws {
        let place = try TemporaryDirectory()
        try write("", to: place("file"))
        try PrivateFiles.remove(place("file"))
        #expect(try place.names == [])
        try expectRefusal(.absent) { try PrivateFiles.remove(place("file")) }
    }
}

struct ShellQuotingTests {
    @Test(arguments: [
        "plain", "", "a b", "it's", "$(id)", "`id`", "a\nb", "\\", "*?[a]", "~", "é\u{1F511}", "-n", "a;b&c|d",
    ])
    func isOneWordToAShell(_ path: String) throws {
        let said = try Program.run(["/bin/sh", "-c", "printf '%s' \(shellQuoted(path))"]).output
        #expect(String(decoding: said, as: UTF8.self) == path)
    }

    @Test func leavesPlainPathsAlone() {
        #expect(
            shellQuoted("/home/user/.local/share/vault/vault.sqlite") == "/home/user/.local/share/vault/vault.sqlite"
        )
    }
}
