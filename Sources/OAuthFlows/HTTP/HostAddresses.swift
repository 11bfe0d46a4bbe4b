@preconcurrency internal import Dispatch
internal import Glibc
internal import NIOCore
internal import NIOPosix

/// The IP addresses that a URL's host has at this moment, in the order in which to try them (RFC 6724).
struct HostAddresses {
    private let url: EndpointURL
    private let all: [String]

    /// More than hosts have; what is further down a longer list is looked at for its reach and not tried.
    private static let mostTried = 4

    /// Resolves the name.
    ///
    /// - Throws: `HTTPFailure`, nothing sent, where it has no address or none is found in time.
    init(of url: EndpointURL, within limit: Duration) async throws(HTTPFailure) {
        self.url = url
        guard addressBytes(url.host) == nil else {
            all = [url.host]
            return
        }
        let host = url.host
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: [String].self)
        // A resolver may take half a minute over a server that is silent. Nobody waits for this thread then.
        DispatchQueue.global().async { promise.succeed(resolve(host)) }
        let alarm = loop.scheduleTask(in: TimeAmount(limit)) { promise.succeed([]) }
        all = (try? await promise.futureResult.get()) ?? []
        alarm.cancel()
        guard !all.isEmpty else {
            throw HTTPFailure(wasSent: false, "\(url.withoutQuery): the name \(host) cannot be resolved")
        }
    }

    /// How far away the nearest of them is.
    var nearest: Reach { all.map { Reach(address: $0) ?? .machine }.min() ?? .machine }

    /// Those to connect to, if every one is as far away as the URL asks.
    ///
    /// One that is not makes all of them refused: a name with a global and a private address leads to whichever answers.
    ///
    /// - Throws: `HTTPFailure`, nothing sent.
    func checked() throws(HTTPFailure) -> [String] {
        guard let near = all.first(where: { (Reach(address: $0) ?? .machine) < url.leastReach }) else {
            return Array(all.prefix(Self.mostTried))
        }
        let place = (Reach(address: near) ?? .machine).place
        throw HTTPFailure(
            wasSent: false,
            "\(url.withoutQuery) is refused: \(url.host) has the address \(near), which is \(place), and what leads there is not",
            isRefusal: true
        )
    }
}

/// The addresses of a name by the system's resolver, which blocks; none where it has none.
private func resolve(_ host: String) -> [String] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
    defer { freeaddrinfo(list) }
    var addresses: [String] = []
    var next = list
    while let info = next?.pointee {
        var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let length = socklen_t(text.count)
        if getnameinfo(info.ai_addr, info.ai_addrlen, &text, length, nil, 0, NI_NUMERICHOST) == 0 {
            let end = text.firstIndex(of: 0) ?? text.endIndex
            addresses.append(String(decoding: text[..<end].map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        next = info.ai_next
    }
    return addresses
}
