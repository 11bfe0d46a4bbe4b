internal import Glibc
internal import PrivateFiles

/// Finds out how exposed files are, looking at each directory once.
struct ExposureLookup {
    /// What a directory and all above it say about what lies in it.
    private struct Surroundings {
        var groupMayPass = true
        var othersMayPass = true
        var workTree: String?
        var synced: (folder: String, service: String)?
    }

    private var directories: [String: Surroundings] = [:]
    private var indexes: [String: GitIndex?] = [:]

    /// How exposed a file is.
    mutating func exposure(of path: String, _ status: FileStatus) -> FileExposure {
        guard path.hasPrefix("/") else {
            // An item of the keyring, which lies in no directory.
            return FileExposure(
                readers: .owner,
                mode: status.mode,
                workTree: nil,
                isTracked: nil,
                syncedFolder: nil,
                syncService: nil
            )
        }
        let around = surroundings(of: TokenPath(path).ancestor(1))
        var tracked: Bool?
        if let tree = around.workTree { tracked = isTracked(path, in: tree) }
        let readers: FileExposure.Readers =
            if status.mode & 0o004 != 0, around.othersMayPass {
                .others
            } else if status.mode & 0o040 != 0, around.groupMayPass {
                .group
            } else {
                .owner
            }
        return FileExposure(
            readers: readers,
            mode: status.mode,
            workTree: around.workTree,
            isTracked: tracked,
            syncedFolder: around.synced?.folder,
            syncService: around.synced?.service
        )
    }

    private mutating func surroundings(of directory: String) -> Surroundings {
        // From the top down, so that nothing recurses as deep as a path is long.
        var parts: [Substring] = []
        var around = step(into: "/", name: "", from: Surroundings())
        var path = ""
        parts = directory.split(separator: "/")
        for part in parts {
            path += "/" + part
            around = step(into: path, name: String(part), from: around)
        }
        return around
    }

    private mutating func step(into path: String, name: String, from above: Surroundings) -> Surroundings {
        if let known = directories[path] { return known }
        var around = above
        if let status = try? FileStatus.of(path) {
            // Whoever is in the group may pass as one of the group, or as anybody.
            around.groupMayPass = above.groupMayPass && status.mode & 0o011 != 0
            around.othersMayPass = above.othersMayPass && status.mode & 0o001 != 0
        }
        if kind(path + "/.git") != nil { around.workTree = path }
        if let service = SyncedFolder.service(of: path, name: name) { around.synced = (path, service) }
        directories[path] = around
        return around
    }

    private func kind(_ path: String) -> FileStatus.Kind? { (try? FileStatus.of(path))?.map(\.kind) ?? nil }

    private mutating func isTracked(_ path: String, in tree: String) -> Bool? {
        if indexes[tree] == nil { indexes[tree] = .some(GitIndex(of: tree)) }
        guard let index = indexes[tree] ?? nil else { return nil }
        return index.paths.contains(String(path.dropFirst(tree == "/" ? 1 : tree.count + 1)))
    }
}
