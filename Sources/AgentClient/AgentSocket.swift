internal import CVaultSystem
package import Glibc

/// Where the agent's socket is.
package enum AgentSocket {
    /// The path: `VAULT_AGENT_SOCK`, or below the user's runtime directory; `nil` where there is no such place.
    ///
    /// Never in `/tmp`, where anybody could be first.
    package static func path(_ environment: [String: String]) -> String? {
        if let path = environment["VAULT_AGENT_SOCK"], !path.isEmpty { return path.hasPrefix("/") ? path : nil }
        return directory(environment).map { $0 + "/agent.sock" }
    }

    /// The directory of the socket where `VAULT_AGENT_SOCK` says nothing else.
    package static func directory(_ environment: [String: String]) -> String? {
        [environment["XDG_RUNTIME_DIR"] ?? "", "/run/user/\(geteuid())"].first(where: isOurs).map { $0 + "/vault" }
    }

    /// XDG Base Directory Specification: the runtime directory "MUST be owned by the user, and he MUST be the only one
    /// having read and write access to it".
    private static func isOurs(_ path: String) -> Bool {
        var status = stat()
        return path.hasPrefix("/") && lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
            && status.st_uid == geteuid() && status.st_mode & 0o077 == 0
    }

    /// A connected socket that never blocks, to an agent of the same user.
    ///
    /// - Returns: `nil` while the agent has no room for another connection.
    static func connect(_ path: String) throws(AgentFailure) -> Int32? {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .absent("no agent runs: \(path) is not there") }
        guard status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == geteuid() else {
            throw .foreign("\(path) is no socket of this user's")
        }
        guard let address = Address(path) else { throw .foreign("\(path) is too long for a socket") }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let socket = Glibc.socket(AF_UNIX, type, 0)
        guard socket >= 0 else { throw .silent("there is no socket left: \(String(cString: strerror(errno)))") }
        guard address.with({ Glibc.connect(socket, $0, $1) }) == 0 else {
            let code = errno
            close(socket)
            if code == EAGAIN { return nil }
            throw .absent("no agent runs: nobody listens at \(path)")
        }
        guard let peer = Peer(socket), peer.userID == geteuid() else {
            close(socket)
            throw .foreign("another user listens at \(path)")
        }
        return socket
    }

    /// The address of a Unix socket.
    package struct Address {
        private var value = sockaddr_un()

        /// `nil` where the path is longer than an address holds.
        package init?(_ path: String) {
            value.sun_family = sa_family_t(AF_UNIX)
            let capacity = MemoryLayout.size(ofValue: value.sun_path)
            let bytes = Array(path.utf8)
            guard bytes.count < capacity, !bytes.contains(0) else { return nil }
            withUnsafeMutableBytes(of: &value.sun_path) { $0.copyBytes(from: bytes) }
        }

        package func with<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
            withUnsafePointer(to: value) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
    }

    /// Who is at the other end of a Unix socket, as the kernel says (unix(7), `SO_PEERCRED`).
    package struct Peer: Sendable {
        package let processID: Int32
        package let userID: UInt32

        package init?(_ socket: Int32) {
            var (process, user): (Int32, UInt32) = (0, 0)
            guard vault_peer(socket, &process, &user) == 0 else { return nil }
            (processID, userID) = (process, user)
        }
    }
}
