internal import Glibc
internal import PrivateFiles
internal import VaultAPI

/// Paths as entries remember them: absolute, without `.`, `..` and doubled slashes.
enum PathResolution {
    /// The absolute form of a path, by its text alone: a link in it stays, so that the place tells what lies there.
    static func absolute(_ path: String) -> String {
        var parts: [Substring] = []
        for part in (path.hasPrefix("/") ? path : currentDirectory() + "/" + path).split(separator: "/") {
            switch part {
            case ".": continue
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// Where a symbolic link leads in the end.
    static func target(of link: String) throws(VaultError) -> String {
        guard let resolved = realpath(link, nil) else {
            throw VaultError(FileError.system("follow", link))
        }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func currentDirectory() -> String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }
}
