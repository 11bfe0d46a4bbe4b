internal import AsyncHTTPClient
internal import Glibc
internal import HTTPGuards
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import PrivateFiles
internal import VaultStorage

/// How the members of a cluster are connected to: straight, and in TLS that checks chain and name.
enum EtcdTransport {
    private static let longestPassword = 4096
    private static let longestCertificates = 4 << 20

    /// - Throws: `.misconfigured` if a certificate or key cannot be read, `.unsafe` if others may read the key.
    static func configuration(
        for cluster: EtcdCluster,
        connectLimit: Duration
    ) throws(StoreError) -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.certificateVerification = .fullVerification
        if let path = cluster.authorities { tls.trustRoots = .certificates(try certificates(path)) }
        if let path = cluster.certificate, let key = cluster.key {
            tls.certificateChain = try certificates(path).map { .certificate($0) }
            do throws(FileError) {
                _ = try PrivateFiles.open(key)
            } catch {
                throw StoreError(error.code == .unsafe ? .unsafe : .misconfigured, key, error.message, hint: error.hint)
            }
            do { tls.privateKey = .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)) } catch {
                throw StoreError(
                    .misconfigured,
                    key,
                    "holds no private key in PEM that can be read without a passphrase"
                )
            }
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(connectLimit.components.seconds)),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        configuration.tracing.tracer = nil
        configuration.refuseImpossibleStatuses()
        return configuration
    }

    private static func certificates(_ path: String) throws(StoreError) -> [NIOSSLCertificate] {
        do {
            // Without waiting for the writer of a pipe; a link to where the system has them is fine.
            let opened = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            guard opened >= 0 else { throw FileError.system("open", path) }
            let file = Descriptor(owning: opened, path: path)
            guard try file.status().kind == .regular else { throw NIOSSLError.failedToLoadCertificate }
            let certificates = try NIOSSLCertificate.fromPEMBytes(try file.read(upTo: longestCertificates))
            guard !certificates.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return certificates
        } catch {
            throw StoreError(.misconfigured, path, "holds no certificate in PEM that can be read")
        }
    }

    /// The first line of the file; it is not kept.
    static func password(of user: EtcdCluster.User) throws(StoreError) -> String {
        do throws(FileError) {
            var bytes = try PrivateFiles.open(user.passwordFile).read(upTo: longestPassword + 1)
            if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
            guard bytes.count <= longestPassword, !bytes.isEmpty, !bytes.contains(UInt8(ascii: "\n")),
                let text = String(validating: bytes, as: UTF8.self)
            else {
                throw FileError(.exists, user.passwordFile, "holds no password: one line of text is expected")
            }
            return text
        } catch {
            let code: StoreError.Code = error.code == .unsafe ? .unsafe : .misconfigured
            throw StoreError(code, user.passwordFile, error.message, hint: error.hint, underlying: error)
        }
    }

    /// Whether a request surely never left this machine.
    static func isUnsent(_ error: any Error) -> Bool {
        switch error {
        case is NIOConnectionError, is NIOSSLExtraError, is SocketAddressError: true
        // Any other failure of TLS may come after the request has gone.
        case NIOSSLError.handshakeFailed: true
        case ChannelError.connectTimeout: true
        case let error as IOError: error.errnoCode == ECONNREFUSED
        case let error as HTTPClientError:
            error == .connectTimeout || error == .tlsHandshakeTimeout || error == .getConnectionFromPoolTimeout
        default: false
        }
    }
}

/// What failed, without the words of the layers below: some quote what was sent.
func reason(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        return error.connectionErrors.first.map { reason($0.error) } ?? "the name cannot be resolved"
    case let error as IOError:
        return String(cString: strerror(error.errnoCode)).lowercased()
    case ChannelError.connectTimeout: return "no connection in time"
    case let error as HTTPClientError:
        switch error {
        case .deadlineExceeded, .readTimeout: return "no answer in time"
        case .connectTimeout, .tlsHandshakeTimeout: return "no connection in time"
        case .remoteConnectionClosed: return "the connection was closed"
        case .cancelled: return "cancelled"
        default: return error.shortDescription
        }
    case let error as NIOSSLError:
        if case .handshakeFailed(.sslError(let errors)) = error,
            errors.contains(where: { "\($0)".contains("CERTIFICATE_VERIFY_FAILED") })
        {
            return "its certificate is not trusted"
        }
        return "the TLS handshake failed"
    case is ImpossibleStatus, is HTTPParserError: return "its answer is no HTTP"
    case is NIOSSLExtraError: return "its certificate is for another host"
    case let error as EtcdRefusal: return error.shown
    default: return "\(type(of: error))"
    }
}
