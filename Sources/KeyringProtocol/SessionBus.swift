@preconcurrency internal import Glibc

/// What the environment says about the way to the keyring, before anything is opened.
package struct SessionBus: Sendable {
    private let environment: [String: String]

    /// Looks at these variables.
    package init(_ environment: [String: String]) { self.environment = environment }

    /// Why there is no session bus to speak to, or `nil` if there may be one.
    ///
    /// GIO would start one by itself (`dbus-launch`, where there is X11) and find no keyring on it but an empty one of
    /// its own, so it is never let near a missing address.
    package var absence: String? {
        if let address = environment["DBUS_SESSION_BUS_ADDRESS"], !address.isEmpty {
            return address.hasPrefix("autolaunch:")
                ? "no session bus (DBUS_SESSION_BUS_ADDRESS asks for a new one): vault does not start one" : nil
        }
        if let directory = environment["XDG_RUNTIME_DIR"], directory.hasPrefix("/") {
            var status = stat()
            // As GIO asks: a socket, and ours.
            if lstat(directory + "/bus", &status) == 0, status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == getuid() {
                return nil
            }
        }
        return "no session bus (DBUS_SESSION_BUS_ADDRESS is not set): normal over SSH"
    }

    /// Why nothing is kept or looked for in this environment; `nil` where nothing speaks against it.
    ///
    /// A variable made for libsecret's tests would send the key into a file or to some other program.
    package var redirection: String? {
        let name = environment.keys.sorted().first { name in
            guard let value = environment[name], !value.isEmpty else { return false }
            if name == "SECRET_BACKEND" { return value != "service" }
            return name == "SECRET_SERVICE_BUS_NAME" || name.hasPrefix("SECRET_FILE_TEST_")
        }
        return name.map { "\($0) is set, which sends libsecret's secrets somewhere else: it is meant for tests" }
    }

    /// The sandbox the session runs in, where libsecret by itself would use a file instead; `nil` outside of one.
    package var sandbox: String? {
        if access("/.flatpak-info", F_OK) == 0 { return "in a Flatpak sandbox (/.flatpak-info)" }
        if environment["SNAP_NAME"] != nil { return "in a Snap sandbox (SNAP_NAME)" }
        return nil
    }
}

/// The environment of this process.
package func processEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        entry += 1
        let variable = String(cString: text)
        guard let equals = variable.firstIndex(of: "=") else { continue }
        result[String(variable[..<equals])] = String(variable[variable.index(after: equals)...])
    }
    return result
}
