internal import Glibc
package import NIOCore

/// A socket bound to the loopback interface that no child process inherits.
///
/// SwiftNIO makes its own without `SOCK_CLOEXEC`: a program that somebody else starts during a login would hold the port
/// open after the login has ended.
package enum LoopbackSocket {
    /// 127.0.0.1; port 0 for any.
    package static func ipv4(port: Int) throws -> NIOBSDSocket.Handle {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return try bound(AF_INET, &address)
    }

    /// [::1].
    package static func ipv6(port: Int) throws -> NIOBSDSocket.Handle {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = in_port_t(port).bigEndian
        address.sin6_addr = in6addr_loopback
        return try bound(AF_INET6, &address)
    }

    private static func bound<Address>(_ family: Int32, _ address: inout Address) throws -> NIOBSDSocket.Handle {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        // A port that served a login a minute ago is free again; on Linux this lets no two listen at once.
        var yes: Int32 = 1
        _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        // Otherwise [::1] of a dual-stack socket would be [::ffff:127.0.0.1] too.
        if family == AF_INET6 {
            _ = setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        let result = withUnsafeBytes(of: &address) { bytes in
            bind(
                descriptor,
                bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<Address>.size)
            )
        }
        guard result == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw IOError(errnoCode: number, reason: "bind")
        }
        return descriptor
    }
}
