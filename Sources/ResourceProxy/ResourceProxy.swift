package import AsyncHTTPClient
internal import CredentialVault
internal import NIOCore
internal import NIOPosix
package import OAuthFlows
package import VaultAPI
internal import VaultCrypto

/// A local address at which programs that know nothing of OAuth reach one resource: every request gets the token there.
///
/// The programs never see the token. They show a secret of the proxy's own, which is worth nothing elsewhere and ends
/// with it; at a Unix socket their user is what counts.
///
/// What is promised about a request: nothing of it goes anywhere until `RequestRules` has let it pass, it goes to the
/// resource or below it and nowhere else, and the client's own credentials do not go along. About an answer: it comes as
/// it is sent, part by part, no redirect is followed, and whoever gets less than the whole can tell.
package final class ResourceProxy: Sendable {
    /// How a proxy works.
    package struct Options: Sendable {
        package var listen = ListenAddress.ipv4(port: 0)
        package var limits = LocalLimits()
        /// Certificates, proxy and timeouts for the way to the resource.
        package var configuration = HTTPClient.Configuration()
        /// Seconds that a token should be valid for when it is sent; with less left it is refreshed first.
        package var minimumValiditySeconds: Int64 = 60
        /// How long a client is held while somebody logs in.
        package var hold: Duration = .seconds(60)
        package var clock = VaultClock()
        /// Logs in for more; `nil` where nobody is to be asked.
        package var stepUp: StepUp = { _ in false }
        /// Tells the person who started the proxy what went wrong.
        package var report: @Sendable (VaultError) -> Void = { _ in }

        package init() {}
    }

    /// What clients are given: `http://127.0.0.1:PORT/…`, or `unix:PATH`.
    package let address: String
    /// What they show as `Authorization: Bearer …`; `nil` at a Unix socket.
    package let secret: String?
    private let listener: LocalListener
    private let socket: UnixSocket?
    private let stepUps: StepUps

    private init(
        _ address: String,
        _ secret: String?,
        _ listener: LocalListener,
        _ socket: UnixSocket?,
        _ stepUps: StepUps
    ) {
        (self.address, self.secret, self.listener) = (address, secret, listener)
        (self.socket, self.stepUps) = (socket, stepUps)
    }

    /// Opens the address.
    ///
    /// - Parameters:
    ///   - name: The entry whose token is sent.
    ///   - resource: Where requests go.
    /// - Throws: What the broker throws where there is no token for that resource, but for `.temporary`, which may be
    ///   over at the first request; `.unsafe` for a socket that others could reach; `.unavailable` if the address is
    ///   taken. Nothing is open then.
    package static func open(
        _ broker: any CredentialBroker,
        for name: String,
        to resource: EndpointURL,
        _ options: Options
    ) async throws(VaultError) -> ResourceProxy {
        let client = try ResourceClient(
            broker,
            for: name,
            at: resource.text,
            configuration: options.configuration,
            minimumValiditySeconds: options.minimumValiditySeconds
        )
        do throws(VaultError) {
            let url = resource.withoutQuery
            _ = try await broker.authorization(for: name, method: "GET", url: url, TokenRequirements())
        } catch {
            guard error.code == .temporary else { throw error }
            options.report(error)
        }
        let stepUps = StepUps(options.stepUp, hold: options.hold, clock: options.clock)
        let forwarding = Forwarding(
            name: name,
            origin: resource.origin,
            client: client,
            stepUps: stepUps,
            report: options.report
        )
        let bound = try bind(options.listen)
        let secret = bound.socket == nil ? base64URL(randomBytes(32)) : nil
        let listener: LocalListener
        do {
            listener = try await LocalListener.open(
                bound.descriptor,
                options.limits,
                checksPeer: bound.socket != nil,
                rules: { port in
                    RequestRules(
                        hosts: port.map { hosts(bound.host, $0) },
                        secret: secret,
                        target: RequestTarget(resource)
                    )
                },
                serve: { await forwarding.serve($0) }
            )
        } catch {
            bound.socket?.remove()
            throw VaultError(.unavailable, "cannot listen at the proxy's address", underlying: error)
        }
        let path = (resource.path.isEmpty ? "/" : resource.path) + (resource.query.map { "?\($0)" } ?? "")
        let address = bound.socket.map { "unix:\($0.path)" } ?? "http://\(bound.host):\(listener.port ?? 0)\(path)"
        return ResourceProxy(address, secret, listener, bound.socket, stepUps)
    }

    /// Closes the address, ends what is under way, a login included, and returns when that has closed what it opened.
    package func close() async {
        await listener.close()
        socket?.remove()
        await stepUps.end()
    }

    /// RFC 9110 §4.2.1: the scheme's own port may be left out.
    private static func hosts(_ host: String, _ port: Int) -> Set<String> {
        let names = [host, "localhost"]
        return Set(names.map { "\($0):\(port)" } + (port == 80 ? names : []))
    }

    private struct Bound {
        var descriptor: NIOBSDSocket.Handle
        var host = ""
        var socket: UnixSocket?
    }

    private static func bind(_ address: ListenAddress) throws(VaultError) -> Bound {
        do {
            switch address {
            case .ipv4(let port): return Bound(descriptor: try LoopbackSocket.ipv4(port: port), host: "127.0.0.1")
            case .ipv6(let port): return Bound(descriptor: try LoopbackSocket.ipv6(port: port), host: "[::1]")
            case .unix(let path):
                let (socket, descriptor) = try UnixSocket.bind(path)
                return Bound(descriptor: descriptor, socket: socket)
            }
        } catch let error as VaultError {
            throw error
        } catch {
            throw VaultError(
                .unavailable,
                "cannot listen at the proxy's address: \(sentence(for: error))",
                hint: "choose another --listen; 127.0.0.1:0 takes any port that is free",
                underlying: error
            )
        }
    }
}
