internal import Glibc
internal import PrivateFiles

/// Takes away what a store put into its directory, and nothing else.
struct DirectoryRemoval {
    let layout: DirectoryLayout
    /// Whether the versions that were set aside go as well.
    let takesSetAside: Bool

    func run() throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.requireDirectory(layout.root) }
        var removed = false
        for byte in 0...255 as ClosedRange<UInt8> {
            let shard = layout.shards[Int(byte)]
            for name in try SyncedFiles.names(in: shard) {
                let path = "\(shard)/\(name)"
                let isCanonical = DirectoryLayout.id(of: name, shard: byte) != nil
                if !isCanonical, try !isOurs(path) { continue }
                try remove(path)
                removed = true
            }
            _ = rmdir(shard)
        }
        _ = rmdir(layout.entries)
        for name in try SyncedFiles.names(in: layout.making) { try discard("\(layout.making)/\(name)") }
        _ = rmdir(layout.making)
        if takesSetAside {
            for name in try SyncedFiles.names(in: layout.setAside) where try isOurs("\(layout.setAside)/\(name)") {
                try remove("\(layout.setAside)/\(name)")
            }
            _ = rmdir(layout.setAside)
        }
        // Second versions of the header.
        for name in try SyncedFiles.names(in: layout.root) where "\(layout.root)/\(name)" != layout.header {
            guard try isOurs("\(layout.root)/\(name)") else { continue }
            try remove("\(layout.root)/\(name)")
        }
        // Last: as long as it is there, what was cut off can be run again.
        if try translatingFileErrors({ () throws(FileError) in try FileStatus.of(layout.header) }) != nil {
            try remove(layout.header)
            removed = true
        }
        let left = try SyncedFiles.names(in: layout.root)
        let attributes = try SyncedFiles.read(layout.attributes)
        let isAttributesOnly =
            left == [DirectoryLayout.attributesName] && attributes == Array(DirectoryLayout.gitAttributes.utf8)
        guard removed else { throw StoreError(.absent, layout.header, "does not exist") }
        try translatingFileErrors { () throws(FileError) in
            try PrivateFiles.synchronizeDirectory(layout.root)
            // Git's own directory is a reason to leave them, and every other file to leave the directory.
            if isAttributesOnly { _ = unlink(layout.attributes) }
            guard rmdir(layout.root) == 0 else { return }
            try PrivateFiles.synchronizeDirectory(PrivateFiles.parentDirectory(of: layout.root))
        }
    }

    /// Takes away a file in the making; what is whole may be a version that is nowhere else.
    private func discard(_ path: String) throws(StoreError) {
        guard !takesSetAside, let bytes = try SyncedFiles.read(path), case .record = SealedFile.read(bytes) else {
            return try remove(path)
        }
        try layout.setAside(path)
    }

    private func isOurs(_ path: String) throws(StoreError) -> Bool {
        SealedFile.isOurs(try SyncedFiles.beginning(of: path, SealedFile.magicLength))
    }

    private func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw StoreError(FileError.system("remove", path)) }
    }
}
