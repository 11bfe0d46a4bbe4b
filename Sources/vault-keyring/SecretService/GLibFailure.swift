#if SecretService
    internal import CLibSecret
    internal import KeyringProtocol

    /// Makes a call that reports through a `GError`, and throws what it reports.
    ///
    /// - Parameter what: What was tried, as the object of "cannot".
    func reporting<Result>(
        _ what: String,
        _ call: (UnsafeMutablePointer<UnsafeMutablePointer<GError>?>) -> Result
    ) throws(Failure) -> Result {
        var error: UnsafeMutablePointer<GError>?
        let result = call(&error)
        guard let error else { return result }
        defer { g_error_free(error) }
        throw Failure(error, what)
    }

    extension Failure {
        /// What a `GError` means for a keyring.
        ///
        /// Its message is the service's and may hold anything, so it is left out; the
        /// D-Bus name of the error says what went wrong.
        fileprivate init(_ error: UnsafeMutablePointer<GError>, _ what: String) {
            let remote = g_dbus_error_get_remote_error(error)
            defer { g_free(remote) }
            let name = remote.map { String(cString: $0) } ?? ""
            if name.hasSuffix(".IsLocked") || error.isIn(secret_error_get_quark(), SECRET_ERROR_IS_LOCKED.rawValue) {
                self.init(.locked, "cannot \(what): the keyring is locked")
            } else if Self.nobody.contains(where: { error.isIn(g_dbus_error_quark(), $0.rawValue) }) {
                self.init(.unavailable, "cannot \(what): no Secret Service on the session bus")
            } else if Self.gone.contains(where: { error.isIn(g_dbus_error_quark(), $0.rawValue) })
                || Self.unreachable.contains(where: { error.isIn(g_io_error_quark(), $0.rawValue) })
            {
                self.init(.unavailable, "cannot \(what): the session bus or the Secret Service does not answer")
            } else {
                let domain = g_quark_to_string(error.pointee.domain).map { String(cString: $0) } ?? "error"
                let found = name.isEmpty ? "\(domain) \(error.pointee.code)" : name
                self.init(.failed, "cannot \(what): the Secret Service reports \(found)")
            }
        }

        private static let nobody = [
            G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER, G_DBUS_ERROR_SPAWN_EXEC_FAILED,
            G_DBUS_ERROR_SPAWN_CHILD_EXITED, G_DBUS_ERROR_SPAWN_CHILD_SIGNALED, G_DBUS_ERROR_SPAWN_FAILED,
            G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND, G_DBUS_ERROR_SPAWN_FILE_INVALID, G_DBUS_ERROR_ACCESS_DENIED,
        ]

        private static let gone = [
            G_DBUS_ERROR_NO_REPLY, G_DBUS_ERROR_TIMEOUT, G_DBUS_ERROR_TIMED_OUT, G_DBUS_ERROR_DISCONNECTED,
            G_DBUS_ERROR_NO_SERVER, G_DBUS_ERROR_NO_NETWORK, G_DBUS_ERROR_BAD_ADDRESS,
        ]

        private static let unreachable = [
            G_IO_ERROR_CLOSED, G_IO_ERROR_CONNECTION_REFUSED, G_IO_ERROR_NOT_FOUND, G_IO_ERROR_TIMED_OUT,
            G_IO_ERROR_BROKEN_PIPE, G_IO_ERROR_PERMISSION_DENIED, G_IO_ERROR_INVALID_ARGUMENT,
            G_IO_ERROR_HOST_NOT_FOUND,
        ]
    }

    extension UnsafeMutablePointer<GError> {
        fileprivate func isIn<Code: BinaryInteger>(_ domain: GQuark, _ code: Code) -> Bool {
            pointee.domain == domain && Int(pointee.code) == Int(code)
        }
    }
#endif
