internal import Glibc
internal import NIOCore

/// Whose the other end of a connection on the loopback interface is.
///
/// `state` and the port stand in the arguments of the browser, which every user of the machine may read. With them
/// another user could finish the login with an account of theirs, and this vault would from then on work in it.
enum PeerOwner: Equatable {
    case user(UInt32)
    /// Its program has closed it, so that nobody can tell any more, and nobody waits for an answer.
    case gone
    /// It is no socket of this system: a forwarder outside of it, such as that of a virtual machine's host, has made it.
    /// Or the kernel shows no table of sockets.
    case unknown

    /// Whether what it says counts: our own user's and root's does.
    ///
    /// Root needs no trick, and `ssh -L` has the user's sockets or root's.
    /// Of what cannot be known, yes: no other user of this system is behind it, and a login through a forwarder would
    /// never end otherwise.
    var isTrusted: Bool {
        switch self {
        case .user(let id): id == geteuid() || id == 0
        case .gone: false
        case .unknown: true
        }
    }

    /// Looks both ends up.
    ///
    /// - Parameters:
    ///   - peer: The other end's address.
    ///   - local: Ours, an accepted connection of a listener on the same port.
    ///   - table: The text of `/proc/net/tcp` and `/proc/net/tcp6`, read anew at each call.
    init(
        of peer: SocketAddress?,
        at local: SocketAddress?,
        table: () -> String = { contents("/proc/net/tcp") + contents("/proc/net/tcp6") }
    ) {
        // A connection that was reset before it was accepted has no peer any more.
        guard let peer = peer.flatMap(SocketRow.Address.init), let local = local.flatMap(SocketRow.Address.init) else {
            self = .gone
            return
        }
        self = .gone
        // The table is no snapshot. That a peer is missing is believed where our end stands in two readings: it stands
        // only as long as the peer neither closes nor resets, and a peer of this system that does neither is there.
        for _ in 0..<2 {
            let rows = lines(of: table(), with: local.port).compactMap { SocketRow($0[...]) }
            if let row = rows.first(where: { $0.local == peer && $0.remote == local }) {
                self = row.inode == 0 ? .gone : .user(row.owner)
                return
            }
            let isWhole = rows.contains { $0.local == local && $0.remote == peer && $0.isEstablished }
            // Without our listener the table is another network's, or none.
            let isOurs = rows.contains { $0.local.port == local.port && $0.isListening }
            if isOurs, !isWhole { return }
        }
        self = .unknown
    }
}

/// One line of `/proc/net/tcp` or `/proc/net/tcp6` (proc_net_tcp(5)).
private struct SocketRow {
    struct Address: Equatable {
        /// As the kernel prints it: words of four bytes in the machine's order.
        let ip: Substring
        let port: UInt16

        init?(_ text: Substring) {
            let parts = text.split(separator: ":")
            guard parts.count == 2, let port = UInt16(parts[1], radix: 16) else { return nil }
            // An IPv6 socket that speaks IPv4 has its addresses mapped.
            let mapped = "0000000000000000FFFF0000"
            (ip, self.port) = (parts[0].hasPrefix(mapped) ? parts[0].dropFirst(mapped.count) : parts[0], port)
        }

        init?(_ address: SocketAddress) {
            guard let bytes = address.ipAddress.flatMap(addressBytes), let port = address.port else { return nil }
            let text = bytes.withUnsafeBytes { bytes in
                bytes.bindMemory(to: UInt32.self).map { word in
                    let digits = String(word, radix: 16, uppercase: true)
                    return String(repeating: "0", count: 8 - digits.count) + digits
                }
            }
            self.init("\(text.joined()):\(String(port, radix: 16))"[...])
        }
    }

    let local: Address
    let remote: Address
    let state: Substring
    let owner: UInt32
    /// 0 once no program has the socket; the owner that is printed then is not the one it had.
    let inode: UInt64

    var isEstablished: Bool { state == "01" }
    var isListening: Bool { state == "0A" }

    init?(_ line: Substring) {
        let fields = line.split(separator: " ", omittingEmptySubsequences: true)
        guard fields.count >= 10, let local = Address(fields[1]), let remote = Address(fields[2]),
            let owner = UInt32(fields[7]), let inode = UInt64(fields[9])
        else { return nil }
        (self.local, self.remote, state) = (local, remote, fields[3])
        (self.owner, self.inode) = (owner, inode)
    }
}

/// The lines in which a port stands.
///
/// A machine may have tens of thousands of connections, and whoever looks through them holds up every other visitor of
/// the listener: so the C library does, and only what it finds is taken apart.
private func lines(of text: String, with port: UInt16) -> [String] {
    let digits = String(port, radix: 16, uppercase: true)
    let wanted = Array(":\(String(repeating: "0", count: 4 - digits.count))\(digits) ".utf8)
    var text = text
    return text.withUTF8 { bytes in
        var found: [String] = []
        guard var line = UnsafeRawPointer(bytes.baseAddress) else { return [] }
        let end = line + bytes.count
        while line < end {
            let next = memchr(line, 0x0A, end - line).map { UnsafeRawPointer($0) } ?? end
            // The first colon follows the row's number, the second stands before our port, the third before the peer's.
            var place = line
            for _ in 0..<3 {
                guard let colon = memchr(place, 0x3A, next - place).map({ UnsafeRawPointer($0) }) else { break }
                if next - colon >= wanted.count, memcmp(colon, wanted, wanted.count) == 0 {
                    let row = UnsafeRawBufferPointer(start: line, count: next - line)
                    found.append(String(decoding: row, as: UTF8.self))
                    break
                }
                place = colon + 1
            }
            line = next + 1
        }
        return found
    }
}

/// A file of `/proc`, whose size nobody knows before; empty where there is none.
private func contents(_ path: String) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return "" }
    defer { close(file) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = read(file, &part, part.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += part[..<count]
    }
}
