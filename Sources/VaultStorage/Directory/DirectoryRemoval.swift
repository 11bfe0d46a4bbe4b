internal import Glibc
internal import PrivateFiles

/// Takes away what a store put into its directory, and nothing else.
struct DirectoryRemoval {
    let layout: DirectoryLayout

    func run() throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.requireDirectory(layout.root) }
        var removed = false
        if try SyncedFiles.read(layout.header) != nil {
            try remove(layout.header)
            removed = true
        }
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
        for directory in [layout.setAside, layout.making] {
            for name in try SyncedFiles.names(in: directory) {
                let path = "\(directory)/\(name)"
                if directory != layout.making, try !isOurs(path) { continue }
                try remove(path)
            }
            _ = rmdir(directory)
        }
        // Second versions of the header.
        for name in try SyncedFiles.names(in: layout.root) {
            guard try isOurs("\(layout.root)/\(name)") else { continue }
            try remove("\(layout.root)/\(name)")
        }
        guard removed else { throw StoreError(.absent, layout.header, "does not exist") }
        try translatingFileErrors { () throws(FileError) in
            try PrivateFiles.synchronizeDirectory(layout.root)
            let attributes = "\(layout.root)/.gitattributes"
            // Git's own directory is a reason to leave them, and every other file to leave the directory.
            if try SyncedNames.onlyAttributes(in: layout.root) { _ = unlink(attributes) }
            guard rmdir(layout.root) == 0 else { return }
            try PrivateFiles.synchronizeDirectory(PrivateFiles.parentDirectory(of: layout.root))
        }
    }

    private func isOurs(_ path: String) throws(StoreError) -> Bool {
        SealedFile.isOurs(try SyncedFiles.beginning(of: path, SealedFile.magicLength))
    }

    private func remove(_ path: String) throws(StoreError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw StoreError(FileError.system("remove", path)) }
    }
}

private enum SyncedNames {
    static func onlyAttributes(in directory: String) throws(FileError) -> Bool {
        guard let stream = opendir(directory) else { throw FileError.system("list", directory) }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != "..", name != ".gitattributes" { return false }
        }
        return true
    }
}
