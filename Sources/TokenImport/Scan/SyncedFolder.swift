internal import PrivateFiles

/// Folders that a program copies to other machines, told by what that program puts there or by their name.
enum SyncedFolder {
    private struct Mark {
        let path: String
        let kind: FileStatus.Kind
        let service: String
    }

    // Some of these names stand in every home, as the program's own directory; hence the kind, or what is in it.
    private static let marks = [
        Mark(path: ".dropbox", kind: .regular, service: "Dropbox"),
        Mark(path: ".dropbox.cache", kind: .directory, service: "Dropbox"),
        Mark(path: ".stfolder", kind: .directory, service: "Syncthing"),
        Mark(path: ".stfolder", kind: .regular, service: "Syncthing"),
        Mark(path: ".sync/ID", kind: .regular, service: "Resilio Sync"),
        Mark(path: ".sync/IgnoreList", kind: .regular, service: "Resilio Sync"),
        Mark(path: ".sync/StreamsList", kind: .regular, service: "Resilio Sync"),
        Mark(path: ".nextcloudsync.log", kind: .regular, service: "Nextcloud"),
        Mark(path: ".owncloudsync.log", kind: .regular, service: "ownCloud"),
        Mark(path: ".grive", kind: .regular, service: "Google Drive"),
        Mark(path: ".grive_state", kind: .regular, service: "Google Drive"),
    ]

    private static let names = [
        "Dropbox": "Dropbox", "OneDrive": "OneDrive", "Google Drive": "Google Drive", "GoogleDrive": "Google Drive",
        "Nextcloud": "Nextcloud", "ownCloud": "ownCloud", "iCloud Drive": "iCloud", "iCloudDrive": "iCloud",
        "com~apple~CloudDocs": "iCloud", "pCloudDrive": "pCloud",
    ]

    /// The service that copies a folder; `nil` where none is known to.
    static func service(of path: String, name: String) -> String? {
        if let service = names[name] { return service }
        if name.hasPrefix("OneDrive - ") { return "OneDrive" }
        let mark = marks.first { mark in (try? FileStatus.of(path + "/" + mark.path))??.kind == mark.kind }
        return mark?.service ?? (hasJournal(path) ? "Nextcloud or ownCloud" : nil)
    }

    /// The journal of a client of Nextcloud or ownCloud, whose name has a hash in it.
    private static func hasJournal(_ path: String) -> Bool {
        guard let listing = try? DirectoryListing(path, followingLink: true) else { return false }
        return listing.entries.contains { entry in
            guard entry.kind == .regular, let name = entry.name, name.hasSuffix(".db") else { return false }
            return name.hasPrefix(".sync_") || name.hasPrefix("._sync_")
        }
    }
}
