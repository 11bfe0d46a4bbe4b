internal import Glibc

/// A port of 127.0.0.1 that surely refuses, since a socket has it and does not listen; or that takes connections and is
/// silent.
package final class HeldPort {
    package let port: Int
    private let socket: Int32

    /// - Parameter candidates: Ports to choose from, such as those below the ones that outgoing connections are given; any
    ///   by default.
    package init(isListening: Bool = false, among candidates: Range<UInt16>? = nil) throws {
        socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = socket
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, size) == 0 && getsockname(descriptor, pointer, &size) == 0
                    && (!isListening || listen(descriptor, 16) == 0)
            }
        }
        guard socket >= 0, isBound else { throw Broken(what: "no port") }
        port = Int(in_port_t(bigEndian: address.sin_port))
    }

    deinit { close(socket) }
}
