internal import VaultCrypto

/// One of the units that make systemd start the agent.
struct UserUnit {
    /// Its file's name.
    let name: String
    /// The target that wants it, where it is enabled; `nil` for one that another starts.
    let wantedBy: String?
    private let body: String

    /// The socket at which systemd listens until somebody wants the agent.
    static let socket = UserUnit(
        name: "vault-agent.socket",
        wantedBy: "sockets.target",
        body: """
            [Unit]
            Description=Socket of the vault's agent
            Documentation=man:vault-agent(1)

            [Socket]
            ListenStream=%t/vault/agent.sock
            SocketMode=0600
            DirectoryMode=0700
            RemoveOnStop=yes

            [Install]
            WantedBy=sockets.target

            """
    )

    /// The agent.
    ///
    /// No restart: the socket starts it again when somebody asks. The restrictions are those that systemd can put on a
    /// process of a user without rights, and hold for what the agent starts, too.
    static func service(program: String) -> UserUnit {
        UserUnit(
            name: "vault-agent.service",
            wantedBy: nil,
            body: """
                [Unit]
                Description=Agent of the vault
                Documentation=man:vault-agent(1)
                Requires=vault-agent.socket

                [Service]
                Type=notify
                ExecStart=:\(quoted(program)) agent run
                NonBlocking=yes
                Restart=no
                UMask=0077
                # What is in its memory goes neither into a core file nor to a swap device.
                LimitCORE=0
                SuccessExitStatus=143
                MemorySwapMax=0
                NoNewPrivileges=yes
                MemoryDenyWriteExecute=yes
                LockPersonality=yes
                RestrictRealtime=yes
                RestrictSUIDSGID=yes
                RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
                SystemCallArchitectures=native

                """
        )
    }

    /// What unlocks a vault when the graphical session has begun, since the keyring is open by then.
    ///
    /// It stops with that session, so that the next login begins it anew.
    static func unlock(program: String, options: [String]) -> UserUnit {
        UserUnit(
            name: "vault-unlock.service",
            wantedBy: "graphical-session.target",
            body: """
                [Unit]
                Description=Unlock the vault
                Documentation=man:vault-unlock(1)
                After=graphical-session.target vault-agent.socket
                Wants=vault-agent.socket
                PartOf=graphical-session.target

                [Service]
                Type=oneshot
                RemainAfterExit=yes
                ExecStart=:\(quoted(program)) unlock --no-input\(options.map { " " + quoted($0) }.joined())
                LimitCORE=0

                [Install]
                WantedBy=graphical-session.target

                """
        )
    }

    /// The names of all of them.
    static let names = ["vault-agent.socket", "vault-agent.service", "vault-unlock.service"]

    /// The file's text; its first line tells whether the rest has been changed since.
    var text: String { "\(Self.mark)\(Self.sum(body))\n\(body)" }

    /// Whether a file is one of ours as it was written.
    static func isUnchanged(_ text: String) -> Bool {
        guard text.hasPrefix(mark), let end = text.firstIndex(of: "\n") else { return false }
        return text[..<end] == mark + sum(String(text[text.index(after: end)...]))
    }

    private static let mark = "# Written by vault agent install; vault agent install --remove takes it away: "

    private static func sum(_ body: String) -> String {
        var hash = Blake2b(length: 16)
        hash.update(Array(body.utf8))
        return hash.finish().map { (byte: UInt8) in
            String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
        }.joined()
    }

    /// A word of a command line in a unit that begins with `:`, where `$` stands for itself.
    ///
    /// systemd.service(5), "Command lines": C escapes within double quotes, and `%%` for what would be a specifier.
    static func quoted(_ word: String) -> String {
        var quoted = "\""
        for scalar in word.unicodeScalars {
            switch scalar {
            case "%": quoted += "%%"
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\u{1}"..."\u{1F}", "\u{7F}":
                quoted += "\\x" + String(scalar.value >> 4, radix: 16) + String(scalar.value & 15, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
