internal import Glibc
internal import PrivateFiles
internal import VaultAPI

/// A directory that stands for another: some paths in it are its own, all else leads to the other.
struct Overlay {
    /// What it stands for; it may not exist.
    let real: String
    /// The overlay.
    let path: String
    /// The files that are its own, relative to both.
    let files: [String]
    /// Members that lead elsewhere, where neither directory has one of that name.
    var links: [(name: String, target: String)] = []
    /// Files beside them that must not leave it either, relative to it.
    var staying: Set<String> = []

    /// Makes it, without its own files.
    func make() throws(FileError) { try mirror("", files.map { $0.split(separator: "/")[...] }) }

    private func mirror(_ below: String, _ own: [ArraySlice<Substring>]) throws(FileError) {
        guard mkdir(path + below, 0o700) == 0 else { throw FileError.system("make the directory", path + below) }
        let heads = Set(own.compactMap(\.first))
        var present: Set<String> = []
        for name in Self.members(of: real + below) where !heads.contains(Substring(name)) {
            present.insert(name)
            try Self.link("\(path)\(below)/\(name)", to: "\(real)\(below)/\(name)")
        }
        for head in heads {
            let inner = own.filter { $0.first == head }.map { $0.dropFirst() }
            guard inner.contains(where: { !$0.isEmpty }) else { continue }
            try mirror("\(below)/\(head)", inner.filter { !$0.isEmpty })
        }
        guard below.isEmpty else { return }
        for link in links where !present.contains(link.name) && !heads.contains(Substring(link.name)) {
            guard access(link.target, F_OK) == 0 else { continue }
            try Self.link("\(path)/\(link.name)", to: link.target)
        }
    }

    /// Moves to the real directory what was made or replaced here since `start`, and says what could not go to its place.
    ///
    /// A member of the real directory that was changed by somebody else meanwhile stays; what was made here is put
    /// beside it.
    func giveBack(since start: Int64, name: String) throws(FileError) -> [String] {
        var notes: [String] = []
        try giveBack("", start, name, &notes)
        return notes
    }

    private func giveBack(
        _ below: String,
        _ start: Int64,
        _ run: String,
        _ notes: inout [String]
    ) throws(FileError) {
        for name in Self.members(of: path + below) {
            let relative = "\(below)/\(name)"
            let mine = path + relative
            guard let status = try FileStatus.of(mine) else { continue }
            let inside = String(relative.dropFirst())
            if files.contains(inside) || staying.contains(inside) || Self.isLock(name) { continue }
            // The beginning of a write that never got to its first byte.
            if status.size == 0, files.contains(Leftover.originalPath(of: inside)) { continue }
            if status.kind == .directory, (files + staying).contains(where: { $0.hasPrefix(inside + "/") }) {
                try giveBack(relative, start, run, &notes)
                continue
            }
            guard [.regular, .directory, .symbolicLink].contains(status.kind) else { continue }
            let link = links.first { below.isEmpty && $0.name == name }
            if status.kind == .symbolicLink {
                let target = Self.target(of: mine)
                if target == real + relative || target == link?.target { continue }
            }
            let place = link?.target ?? real + relative
            let parent = PrivateFiles.parentDirectory(of: place)
            if try FileStatus.of(parent) == nil { try PrivateFiles.makeDirectory(parent) }
            guard let there = try FileStatus.of(place) else {
                try Self.move(mine, to: place, status)
                continue
            }
            if there.kind == .regular, status.kind == .regular, there.modifiedNanoseconds <= start {
                try Self.move(mine, to: place, status)
            } else {
                let beside = "\(place).\(run)"
                try Self.move(mine, to: beside, status)
                notes.append("\(place) exists already; what the command made is \(beside)")
            }
        }
    }

    /// A lock is nothing to be kept: whoever held it has ended.
    static func isLock(_ name: String) -> Bool { name.hasSuffix(".lock") || name.hasSuffix(".lockfile") }

    // MARK: Files

    /// The names in a directory; none where there is none.
    static func members(of directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func link(_ path: String, to target: String) throws(FileError) {
        guard symlink(target, path) == 0 else { throw FileError.system("make the link", path) }
    }

    static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        return count >= 0 ? String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }

    /// Copies to another file system, and leaves the original to whoever removes the whole.
    private static func move(_ old: String, to new: String, _ status: FileStatus) throws(FileError) {
        switch status.kind {
        case .symbolicLink: try link(new, to: target(of: old) ?? "")
        case .directory:
            guard mkdir(new, 0o700) == 0 else { throw FileError.system("make the directory", new) }
            for name in members(of: old) {
                guard let inner = try FileStatus.of("\(old)/\(name)") else { continue }
                try move("\(old)/\(name)", to: "\(new)/\(name)", inner)
            }
            guard chmod(new, status.mode) == 0 else { throw FileError.system("set the mode of", new) }
        case .regular:
            let source = try Descriptor.open(old)
            let file = try NewFile(for: new)
            while true {
                let bytes = try source.read(upTo: 1 << 16)
                if bytes.isEmpty { break }
                try file.write(bytes)
            }
            try file.publish(replacing: true, mode: status.mode & 0o777)
        case .fifo, .special: break
        }
    }

    /// Removes a directory and what is in it, following no link, but for some of its files.
    static func remove(_ directory: String, sparing staying: Set<String> = []) {
        for name in members(of: directory) {
            let path = "\(directory)/\(name)"
            // What cannot be looked at cannot be removed either; rmdir fails then, and the next run tries again.
            guard let status = try? FileStatus.of(path) else { continue }
            if status.kind == .directory {
                remove(path, sparing: staying)
            } else if !staying.contains(path) {
                unlink(path)
            }
        }
        rmdir(directory)
    }
}
