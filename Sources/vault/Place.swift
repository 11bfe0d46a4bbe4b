internal import CVaultFront

/// Where the vault and the agent's socket are.
///
/// The same rules as `VaultLocation.standard`: what one of them finds, the other must find.
enum Place {
    /// The vault's directory, from the root; `nil` where that takes more than variables to find out.
    static func ofVault(_ question: Question) -> Bytes? {
        let home = absolute("HOME")
        // Without a home directory, each of the others has to be said.
        guard home != nil || absolute("XDG_STATE_HOME") != nil,
            home != nil || variable("VAULT_CONFIG_DIR") != nil || absolute("XDG_CONFIG_HOME") != nil
        else { return nil }
        let profile = question.profile ?? variable("VAULT_PROFILE")
        if let profile, !Question.isName(profile) { return nil }

        var path = Bytes(capacity: 4096)
        if let chosen = question.directory ?? variable("VAULT_DIR") {
            if !chosen.isAbsolute {
                var here = false
                path.read { start, capacity in
                    here = front_working_directory(start, capacity)
                    return here ? Text(text: start).count : 0
                }
                guard here else { return nil }
                path.append(UInt8(ascii: "/"))
            }
            path.append(chosen)
        } else {
            if let base = absolute("XDG_DATA_HOME") {
                path.append(base)
            } else if let home {
                path.append(home)
                path.append("/.local/share")
            } else {
                return nil
            }
            path.append("/vault")
            if let profile {
                path.append("/profiles/")
                path.append(profile)
            }
        }
        while path.count > 1, let last = path.text.last,
            last == UInt8(ascii: "/")
                || last == UInt8(ascii: ".") && path.text[path.count - 2] == UInt8(ascii: "/")
        {
            path.removeLast()
        }
        return path
    }

    /// The agent's socket with a NUL at its end, if it can be one.
    static func ofSocket() -> Bytes? {
        var path = Bytes(capacity: 256)
        if let named = variable("VAULT_AGENT_SOCK") {
            guard named.isAbsolute else { return nil }
            path.append(named)
            path.append(0)
            return path
        }
        if let base = absolute("XDG_RUNTIME_DIR") { path.append(base) }
        if !isPrivate(&path) {
            path = Bytes(capacity: 256)
            path.append("/run/user/")
            path.append(decimal: Int64(front_user()))
            guard isPrivate(&path) else { return nil }
        }
        path.append("/vault/agent.sock")
        path.append(0)
        return path
    }

    /// Whether it is a directory of ours that nobody else may enter, its name without slashes at the end.
    private static func isPrivate(_ path: inout Bytes) -> Bool {
        while path.count > 1, path.text.last == UInt8(ascii: "/") { path.removeLast() }
        path.append(0)
        defer { path.removeLast() }
        return path.text.baseAddress.map(front_is_private_directory) ?? false
    }

    /// A variable that is set, and not to nothing.
    private static func variable(_ name: StaticString) -> Text? {
        // A literal ends in NUL.
        let value = name.utf8Start.withMemoryRebound(to: CChar.self, capacity: name.utf8CodeUnitCount + 1) {
            front_environment($0)
        }
        return value.flatMap { start in start.pointee == 0 ? nil : Text(text: start) }
    }

    /// A variable whose value is a path from the root; another value is as good as none.
    private static func absolute(_ name: StaticString) -> Text? {
        variable(name).flatMap { $0.isAbsolute ? $0 : nil }
    }
}
