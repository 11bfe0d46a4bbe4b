internal import PrivateFiles

/// The paths that git tracks in a work tree, read from its index.
///
/// ```
/// "DIRC"  version (4)  count (4)
///     62 bytes, the last two of them flags: the lower 12 bits are the name's length
///     2 more where the flags say so (version 3)
///     the name, then 1 to 8 zeros up to a multiple of 8
/// ```
struct GitIndex {
    let paths: Set<String>
    private static let maximumBytes: Int64 = 64 << 20
    private static let fixedBytes = 62

    /// The index of a work tree; `nil` where there is none that can be read.
    ///
    /// Version 4 writes names as differences, and is left alone.
    init?(of tree: String) {
        guard let bytes = Self.read(Self.directory(of: tree) + "/index") else { return nil }
        guard bytes.count >= 12, bytes.starts(with: "DIRC".utf8) else { return nil }
        let version = Self.number(bytes, 4)
        guard version == 2 || version == 3 else { return nil }
        var paths: Set<String> = []
        var position = 12
        for _ in 0..<Self.number(bytes, 8) {
            let flagsAt = position + Self.fixedBytes - 2
            guard flagsAt + 2 <= bytes.count else { return nil }
            let isExtended = bytes[flagsAt] & 0x40 != 0
            let start = flagsAt + (isExtended ? 4 : 2)
            guard start < bytes.count, let end = bytes[start...].firstIndex(of: 0) else { return nil }
            paths.insert(String(decoding: bytes[start..<end], as: UTF8.self))
            position += (end - position) / 8 * 8 + 8
        }
        self.paths = paths
    }

    /// `.git`, or where a file of that name leads: a linked work tree or a submodule has one.
    private static func directory(of tree: String) -> String {
        let place = (tree == "/" ? "" : tree) + "/.git"
        guard (try? FileStatus.of(place))??.kind == .regular, let bytes = read(place, atMost: 8192) else {
            return place
        }
        let text = String(decoding: bytes.prefix { $0 != 10 && $0 != 13 }, as: UTF8.self)
        guard text.hasPrefix("gitdir: ") else { return place }
        let target = String(text.dropFirst(8))
        return PathResolution.absolute(target.hasPrefix("/") ? target : tree + "/" + target)
    }

    private static func read(_ path: String, atMost limit: Int64 = maximumBytes) -> [UInt8]? {
        guard let status = (try? FileStatus.of(path)) ?? nil, status.kind == .regular, status.size <= limit else {
            return nil
        }
        guard let descriptor = try? Descriptor.open(path) else { return nil }
        return try? descriptor.read(upTo: Int(status.size))
    }

    private static func number(_ bytes: [UInt8], _ offset: Int) -> Int {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }
}
