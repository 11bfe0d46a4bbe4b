internal import NIOSSL
internal import Synchronization
internal import VaultAPI

/// The certificates that servers are judged by: the system's, or those of one file, read when they are first needed.
final class TrustedCertificates: Sendable {
    private let path: String
    private let origin: String
    private let read = Mutex<NIOSSLTrustRoots?>(nil)

    /// - Parameters:
    ///   - path: A file in PEM; empty for the system's certificates.
    ///   - origin: What named it, for errors.
    init(path: String, namedBy origin: String) {
        self.path = path
        self.origin = origin
    }

    /// - Throws: `.configuration` if the file holds no certificate.
    func roots() throws(VaultError) -> NIOSSLTrustRoots {
        guard !path.isEmpty else { return .default }
        if let roots = read.withLock({ $0 }) { return roots }
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(path)
            guard !certificates.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            let roots = NIOSSLTrustRoots.certificates(certificates)
            read.withLock { $0 = roots }
            return roots
        } catch {
            throw VaultError(
                .configuration,
                "\(shownURL(path)), which \(origin) names, holds no certificate in PEM that can be read"
            )
        }
    }
}
