internal import Glibc

/// A port of 127.0.0.1 that surely refuses, since a socket has it and does not listen; or that takes connections and is
/// silent.
///
/// It is below those that Linux gives out by itself (`ip_local_port_range`, from 32768): where it is let go, so that a
/// server may have it, no outgoing connection and no listener of another test takes it first.
package final class HeldPort {
    package let port: Int
    private let socket: Int32

    package init(isListening: Bool = false) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        let descriptor = socket
        let found = (0..<1000).lazy.map { _ in UInt16.random(in: 10_000..<32_000) }
            .first { Self.bind(descriptor, to: $0) && (!isListening || listen(descriptor, 16) == 0) }
        guard let found else {
            close(socket)
            throw Broken(what: "no port")
        }
        port = Int(found)
    }

    deinit {
        // Until it runs its program, a process that is just being started has the socket too, and the port with it; this
        // way that is in nobody's way who also says it.
        var yes: Int32 = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        close(socket)
    }

    private static func bind(_ descriptor: Int32, to port: UInt16) -> Bool {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        address.sin_port = in_port_t(port).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Glibc.bind(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
