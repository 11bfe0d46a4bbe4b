internal import Glibc
package import VaultAPI

/// The service manager that started this process, if one did: sockets it hands over, and what it is told.
///
/// The two protocols are systemd's (sd_listen_fds(3), sd_notify(3)) and need no library of its.
package enum ServiceManager {
    /// Where the descriptors that are handed over begin.
    private static let first: Int32 = 3
    /// More than any unit of ours has sockets; a number beyond it is a mistake.
    private static let most = 64

    /// Takes over the sockets that are handed over, and unsets the variables that say so.
    ///
    /// They are close-on-exec from then on, and each is a listening Unix stream socket. Variables that are meant for
    /// another process, one that started this one, are unset and otherwise passed over. It is called before there are
    /// other threads, since the environment is changed.
    ///
    /// - Parameters:
    ///   - environment: The variables of this process.
    ///   - first: The number of the first descriptor, for tests.
    /// - Throws: `.configuration` for a number that is none, or for what is no such socket.
    package static func takeSockets(
        _ environment: [String: String],
        from first: Int32 = ServiceManager.first
    ) throws(VaultError) -> [Int32] {
        for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] { unsetenv(variable) }
        guard let process = environment["LISTEN_PID"], let word = environment["LISTEN_FDS"] else { return [] }
        guard process == "\(getpid())" else { return [] }
        guard let count = Int32(word), (0...Int32(most)).contains(count) else {
            throw VaultError(.configuration, "LISTEN_FDS is \(word.prefix(32)), expected a number up to \(most)")
        }
        let names = environment["LISTEN_FDNAMES"].map { $0.split(separator: ":", omittingEmptySubsequences: false) }
        guard names.map({ $0.count == Int(count) }) ?? true || count == 0 else {
            throw VaultError(
                .configuration,
                "LISTEN_FDNAMES has \(names?.count ?? 0) names, expected one for each of \(count) sockets"
            )
        }
        let sockets = Array(first..<first + count)
        for socket in sockets { _ = fcntl(socket, F_SETFD, FD_CLOEXEC) }
        for (index, socket) in sockets.enumerated() {
            guard isListening(socket) else {
                let name = names.map { " (\($0[index].prefix(64)))" } ?? ""
                throw VaultError(
                    .configuration,
                    "descriptor \(socket)\(name) from the service manager is no listening Unix stream socket",
                    hint: "see that the socket unit has ListenStream= with a path: vault agent install"
                )
            }
        }
        return sockets
    }

    /// Tells the service manager something, such as `READY=1`; nothing where there is none, or it does not listen.
    ///
    /// - Parameter environment: The variables of this process.
    /// - Returns: Whether it was said.
    @discardableResult
    package static func notify(_ state: String, _ environment: [String: String]) -> Bool {
        guard let path = environment["NOTIFY_SOCKET"], path.hasPrefix("/") || path.hasPrefix("@") else { return false }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        // A byte is left for the zero at the end of a path; an abstract name has one at its beginning instead.
        guard name.count > 1, name.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        if path.hasPrefix("@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        // Without the rest of the structure: in an abstract name, every further zero would count.
        let length = MemoryLayout<sockaddr_un>.offset(of: \.sun_path).map { $0 + name.count } ?? 0
        let type = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let message = Array(state.utf8)
        let sent = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), pointer, socklen_t(length))
            }
        }
        return sent == message.count
    }

    private static func isListening(_ socket: Int32) -> Bool {
        func option(_ name: Int32) -> Int32? {
            var value: Int32 = 0
            var size = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(socket, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
        }
        return option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == Int32(SOCK_STREAM.rawValue)
            && option(SO_ACCEPTCONN) == 1
    }
}
