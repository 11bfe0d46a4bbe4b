import Foundation
internal import Glibc

/// A member of etcd on free ports of this machine, alone in its cluster, with its data in a directory of its own.
///
/// It ends with this object.
package final class EtcdServer: Sendable {
    /// The port for clients, of 127.0.0.1.
    package let port: Int
    private let peerPort: Int
    private let directory: String
    private let arguments: [String]
    private let program: Held

    /// What `Program` would be, were it Sendable: only started and killed here.
    private final class Held: @unchecked Sendable {
        // Behind the lock, which is all that makes it so.
        private let lock = NSLock()
        private var program: Program?

        func replace(_ make: () throws -> Program?) rethrows {
            lock.lock()
            defer { lock.unlock() }
            // Its shell kills the member when its input ends: here, or with the process of the tests.
            program?.write("keep\n")
            program?.end()
            program = nil
            program = try make()
        }
    }

    /// Starts it, and waits until it answers.
    ///
    /// - Parameters:
    ///   - secure: Files of a certificate, its key, and the authority that clients' certificates must come from.
    ///   - arguments: More for its command line.
    package init(
        secure: (certificate: String, key: String, clients: String)? = nil,
        arguments: [String] = []
    ) async throws {
        // In memory where there is such a place: a member waits for its disk with every write.
        let memory = URL(filePath: "/dev/shm")
        let above = access(memory.path, W_OK) == 0 ? memory : FileManager.default.temporaryDirectory
        let directory = above.appending(path: "vault-etcd-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
        self.directory = directory
        (port, peerPort) = try Self.freePorts()
        var all = ["--data-dir", "\(directory)/data", "--log-level", "error"]
        let scheme = secure == nil ? "http" : "https"
        all += ["--listen-client-urls", "\(scheme)://127.0.0.1:\(port)"]
        all += ["--advertise-client-urls", "\(scheme)://127.0.0.1:\(port)"]
        all += ["--listen-peer-urls", "http://127.0.0.1:\(peerPort)"]
        all += ["--initial-advertise-peer-urls", "http://127.0.0.1:\(peerPort)"]
        all += ["--initial-cluster", "default=http://127.0.0.1:\(peerPort)"]
        if let secure {
            all += ["--cert-file", secure.certificate, "--key-file", secure.key]
            all += ["--client-cert-auth", "--trusted-ca-file", secure.clients]
        }
        self.arguments = all + arguments
        program = Held()
        try await start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Starts it again on the same ports with the same data, and waits until it takes connections.
    package func start() async throws {
        try program.replace {
            try Program(
                ["/bin/sh", "-c", Self.script, directory, "etcd"] + arguments,
                environment: ["PATH": "/usr/bin:/bin:/usr/sbin", "HOME": directory]
            )
        }
        let port = port
        try await eventually("etcd listens on port \(port)") { Self.connects(to: port) }
    }

    /// Ends it at once, as a crash would.
    package func kill() { program.replace { nil } }

    /// What `etcdctl` prints when told to do that here.
    package func control(_ command: String..., endpoint: String? = nil, options: [String] = []) throws -> String {
        let place = endpoint ?? "http://127.0.0.1:\(port)"
        let program = try Program(
            ["etcdctl", "--endpoints", place] + options + command,
            environment: ["PATH": "/usr/bin:/bin", "HOME": directory, "ETCDCTL_API": "3"]
        )
        program.closeInput()
        let output = String(decoding: program.read(), as: UTF8.self)
        let status = program.end()
        guard status == 0 else { throw Broken(what: "etcdctl \(command) ended with \(status)") }
        return output
    }

    /// The process of the tests may end without another word; then nothing is left behind, in memory least of all.
    private static let script = """
        "$@" </dev/null >"$0/log" 2>&1 & member=$!
        read -r word; kill -9 $member; wait $member 2>/dev/null
        [ "$word" = keep ] || rm -rf "$0"
        """

    private static func freePorts() throws -> (Int, Int) {
        let first = try HeldPort()
        let second = try HeldPort()
        return (first.port, second.port)
    }

    private static func connects(to port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
