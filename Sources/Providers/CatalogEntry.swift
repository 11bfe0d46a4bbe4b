internal import StrictJSON
internal import SettingsFiles
internal import VaultAPI

/// What is known by a name: some come with the vault, and a user's own lie in a directory, each as `NAME.yaml`.
protocol CatalogEntry {
    var name: String { get }

    /// - Parameter fileName: The name the file gives it, which its own must then be.
    init(_ map: YAMLMap, fileName: String?) throws(VaultError)
}

extension CatalogEntry {
    /// Every one by its name; a user's takes the place of an embedded one of the same name.
    ///
    /// - Parameters:
    ///   - embedded: JSON with a list of them under `field`.
    ///   - directory: The user's; it need not exist.
    /// - Throws: `.configuration` naming file, line and field, `.unsafe` for a file or directory others may write,
    ///   `.unavailable` if one cannot be read.
    static func all(
        embedded: [UInt8],
        under field: String,
        userDirectory directory: String?
    ) throws(VaultError) -> [String: Self] {
        var entries: [String: Self] = [:]
        // JSON is YAML, so one reader serves both.
        let list = try YAMLMap(embedded, subject: "the \(field) of this program")
        for map in try list.maps(field) {
            let entry = try Self(map, fileName: nil)
            entries[entry.name] = entry
        }
        for file in try directory.map(SettingsFile.names) ?? [] {
            let path = "\(directory ?? "")/\(file)"
            let parts = file.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, ["yaml", "yml"].contains(parts[1]) else { continue }
            let name = String(parts[0])
            guard parts[1] == "yaml", isName(name) else {
                throw VaultError(
                    .configuration,
                    "\(printable(path)): is not called NAME.yaml, with lower-case letters, digits and - in NAME"
                )
            }
            guard let read = try SettingsFile.read(path) else { continue }
            entries[name] = try Self(YAMLMap(read.bytes, subject: path), fileName: name)
        }
        return entries
    }

    /// The field `name`, or what the file is called.
    static func name(_ map: YAMLMap, fileName: String?) throws(VaultError) -> String {
        guard let name = try map.text("name") ?? fileName else { throw map.fault("name", "is missing") }
        guard isName(name) else {
            throw map.fault("name", "is no name: lower-case letters, digits and - , 64 at most")
        }
        guard fileName == nil || name == fileName else {
            throw map.fault("name", "is not the file's name without .yaml")
        }
        return name
    }

    /// Whether it may be the name of one, and so of a file.
    static func isName(_ name: String) -> Bool {
        let letters = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
        }
        return letters && !name.isEmpty && name.utf8.count <= 64 && !name.hasPrefix("-")
    }
}
