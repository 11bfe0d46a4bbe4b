internal import Glibc
internal import PrivateFiles
public import VaultAPI

/// Where a vault and what belongs to it live (XDG Base Directory Specification).
public struct VaultLocation: Hashable, Sendable {
    /// The directory of the vault itself: header and records.
    public var directory: String
    /// Above the directories that hold what this machine has seen of each vault, by the vault's UUID.
    public var stateBase: String
    /// The user's settings.
    public var configuration: String

    /// What lives no longer than the user's session, in memory; `nil` where the system offers no such place.
    public var runtimeBase: String?

    /// Above the directories that hold what is kept here of a vault in a remote store; `nil` for none.
    public var cacheBase: String?

    /// A vault in `directory`, its state below `stateBase`.
    public init(
        directory: String,
        stateBase: String,
        configuration: String,
        runtimeBase: String? = nil,
        cacheBase: String? = nil
    ) {
        self.directory = directory
        self.stateBase = stateBase
        self.configuration = configuration
        self.runtimeBase = runtimeBase
        self.cacheBase = cacheBase
    }

    /// The state directory of the vault with that UUID.
    public func state(of vault: VaultID) -> String { "\(stateBase)/\(vault)" }

    /// The default location, as environment variables and a profile move it.
    ///
    /// - Parameters:
    ///   - directory: Overrides `VAULT_DIR`.
    ///   - profile: Overrides `VAULT_PROFILE`; profiles are separate vaults side by side.
    /// - Throws: `.unavailable` where there is no home directory, `.unsafe` for a hostile profile name.
    public static func standard(
        directory: String? = nil,
        profile: String? = nil,
        environment: [String: String]
    ) throws(VaultError) -> VaultLocation {
        func base(_ variable: String, _ fallback: String) throws(VaultError) -> String {
            // "All paths set in these environment variables must be absolute. If an implementation encounters a
            // relative path … it should consider the path invalid and ignore it."
            if let value = environment[variable], value.hasPrefix("/") { return value + "/vault" }
            guard let home = environment["HOME"].flatMap({ $0.hasPrefix("/") ? $0 : nil }) ?? passwordFileHome() else {
                throw VaultError(
                    .unavailable,
                    "there is no home directory: HOME is not set, and the user database has none",
                    hint: "name the vault with --vault DIR, and set XDG_STATE_HOME and XDG_CONFIG_HOME"
                )
            }
            return "\(home)/\(fallback)/vault"
        }
        var suffix = ""
        if let profile = profile ?? environment["VAULT_PROFILE"], !profile.isEmpty {
            // The same rule as for entries: a profile becomes part of a path.
            do {
                _ = try EntryName(.oauth, profile)
            } catch {
                throw VaultError(.unsafe, "as a profile, \(error.message)", hint: error.hint)
            }
            suffix = "/profiles/\(profile)"
        }
        var chosen = directory ?? environment["VAULT_DIR"].flatMap { $0.isEmpty ? nil : $0 }
        if chosen == nil { chosen = try base("XDG_DATA_HOME", ".local/share") + suffix }
        var configuration = environment["VAULT_CONFIG_DIR"].flatMap { $0.isEmpty ? nil : $0 }
        if configuration == nil { configuration = try base("XDG_CONFIG_HOME", ".config") + suffix }
        return VaultLocation(
            directory: absolute(chosen ?? ""),
            stateBase: try base("XDG_STATE_HOME", ".local/state"),
            configuration: absolute(configuration ?? ""),
            runtimeBase: runtimeDirectory(environment).map { "\($0)/vault" },
            cacheBase: try base("XDG_CACHE_HOME", ".cache")
        )
    }

    /// `XDG_RUNTIME_DIR`, or what it is everywhere but in a shell that does not set it: what one command has put there
    /// must be found by the next.
    ///
    /// "The directory MUST be owned by the user, and he MUST be the only one having read and write access to it."
    private static func runtimeDirectory(_ environment: [String: String]) -> String? {
        [environment["XDG_RUNTIME_DIR"] ?? "", "/run/user/\(geteuid())"].first { path in
            guard path.hasPrefix("/") else { return false }
            do throws(FileError) { try PrivateFiles.requireDirectory(path) } catch { return false }
            return true
        }
    }

    /// A path from the root, without the slashes at its end that would make a link look like what it points to.
    public static func absolute(_ path: String) -> String {
        var result = path
        if !path.hasPrefix("/"), let here = getcwd(nil, 0) {
            result = String(cString: here) + "/" + path
            free(here)
        }
        while result.count > 1, result.hasSuffix("/") || result.hasSuffix("/.") { result.removeLast() }
        return result
    }

    private static func passwordFileHome() -> String? {
        guard let entry = getpwuid(geteuid()), let home = entry.pointee.pw_dir else { return nil }
        let path = String(cString: home)
        return path.hasPrefix("/") ? path : nil
    }
}
