#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import KeyringProtocol

    /// One session with the Secret Service, with the calls libsecret makes only together with things nobody asked for.
    ///
    /// libsecret prompts inside of `secret_service_unlock_sync`, `secret_item_create_sync` and `secret_item_delete_sync`;
    /// whether somebody may be asked is decided here, so these methods are called directly.
    final class ServiceSession {
        private static let servicePath = "/org/freedesktop/secrets"
        private static let noObject = "/"

        /// libsecret's proxy, which keeps the keys under which values travel.
        let service: UnsafeMutablePointer<SecretService>
        private let bus: OpaquePointer
        private let name: String
        private let interactive: Bool

        /// Opens a session of its own: libsecret's shared one would not be fresh the second time.
        init(interactive: Bool) throws(Failure) {
            let bus = try reporting("reach the session bus") { g_bus_get_sync(G_BUS_TYPE_SESSION, nil, $0) }
            guard let bus else { throw Failure(.unavailable, "cannot reach the session bus") }
            // GIO would end this process by SIGTERM when the bus goes, before it could say so.
            g_dbus_connection_set_exit_on_close(bus, 0)
            let service = try reporting("open a session with the keyring") {
                secret_service_open_sync(secret_service_get_type(), nil, SECRET_SERVICE_OPEN_SESSION, nil, $0)
            }
            guard let service else { throw Failure(.unavailable, "cannot open a session with the keyring") }
            let proxy = UnsafeMutableRawPointer(service).assumingMemoryBound(to: GDBusProxy.self)
            // A locked KeePassXC may not answer before a person has acted. Where one can, the parent's deadline is the
            // only one; where none can, the parent's is shorter than the 25 s of D-Bus anyway.
            if interactive { g_dbus_proxy_set_default_timeout(proxy, .max) }
            self.bus = bus
            self.service = service
            self.name = g_dbus_proxy_get_name(proxy).map { String(cString: $0) } ?? "org.freedesktop.secrets"
            self.interactive = interactive
        }

        deinit {
            g_object_unref(service)
            g_object_unref(UnsafeMutableRawPointer(bus))
        }

        /// Calls a method of the Secret Service and checks its reply against `type`.
        func call(
            _ what: String,
            _ path: String,
            _ method: (interface: String, name: String),
            _ parameters: [Variant],
            returning type: String
        ) throws(Failure) -> Variant {
            try call(what, (name, path), ("org.freedesktop.Secret.\(method.interface)", method.name), parameters, type)
        }

        private func call(
            _ what: String,
            _ target: (name: String, path: String),
            _ method: (interface: String, name: String),
            _ parameters: [Variant],
            _ type: String
        ) throws(Failure) -> Variant {
            let expected = g_variant_type_new(type)
            defer { g_variant_type_free(expected) }
            let arguments = Variant.tuple(parameters)
            let reply = try reporting(what) { error in
                arguments.withPointer {
                    g_dbus_connection_call_sync(
                        bus,
                        target.name,
                        target.path,
                        method.interface,
                        method.name,
                        $0,
                        expected,
                        G_DBUS_CALL_FLAGS_NONE,
                        interactive ? .max : -1,
                        nil,
                        error
                    )
                }
            }
            guard let reply else { throw Failure(.failed, "cannot \(what): no reply") }
            return Variant(taking: reply)
        }

        /// A property as it is now; a proxy's cache may be older than the last prompt.
        func property(_ path: String, _ interface: String, _ property: String, type: String) throws(Failure) -> Variant
        {
            let reply = try call(
                "read the keyring's \(property)",
                (name, path),
                ("org.freedesktop.DBus.Properties", "Get"),
                [.string("org.freedesktop.Secret.\(interface)"), .string(property)],
                "(v)"
            )
            let value = reply[0].unboxed
            guard value.isOf(type: type) else {
                throw Failure(.failed, "cannot read the keyring's \(property): it has another type than \(type)")
            }
            return value
        }

        /// Opens what can be opened without anybody, or by asking somebody if that is allowed.
        ///
        /// What `Locked` said is not asked again: kwalletd5 says it is although the wallet is open.
        func unlock(_ paths: [String]) throws(Failure) {
            let reply = try call(
                "unlock the keyring",
                Self.servicePath,
                ("Service", "Unlock"),
                [.paths(paths)],
                returning: "(aoo)"
            )
            try finish("unlock the keyring", prompt: reply[1].text)
        }

        /// Sees an operation through that may have to ask somebody first.
        ///
        /// - Parameter prompt: The prompt's path, or `/` where there is none and the operation is done.
        func finish(_ what: String, prompt: String) throws(Failure) {
            guard prompt != Self.noObject else { return }
            guard interactive else {
                // Whether it can be dismissed changes nothing for us; it goes with our connection to the bus at the latest.
                _ = try? call("dismiss a prompt", prompt, ("Prompt", "Dismiss"), [], returning: "()")
                throw Failure(.locked, "cannot \(what): somebody would have to be asked")
            }
            let waiting = Prompt(bus: bus, service: name, path: prompt)
            _ = try call("ask somebody to \(what)", prompt, ("Prompt", "Prompt"), [.string("")], returning: "()")
            try waiting.wait(what)
        }

        /// The collections there are, without the one that vanishes with the session.
        func collections() throws(Failure) -> [String] {
            let all = try property(Self.servicePath, "Service", "Collections", type: "ao").texts
            return all.filter { !Self.isVolatile($0) }
        }

        /// Whether a collection says that it is locked.
        func isLocked(_ collection: String) throws(Failure) -> Bool {
            try property(collection, "Collection", "Locked", type: "b").flag
        }

        /// A collection's name for people; empty where it has none.
        func label(of collection: String) -> String {
            (try? property(collection, "Collection", "Label", type: "s").text) ?? ""
        }

        /// The collection new items belong into.
        func defaultCollection() throws(Failure) -> String {
            guard let path = try alias("default") else {
                throw Failure(.noDefaultCollection, "the keyring has no default collection to keep a key in")
            }
            let session = try alias("session")
            guard !Self.isVolatile(path), path != session else {
                throw Failure(.volatile, "the keyring's default collection is gone when the session ends")
            }
            return path
        }

        private func alias(_ alias: String) throws(Failure) -> String? {
            let path = try call(
                "find the keyring's \(alias) collection",
                Self.servicePath,
                ("Service", "ReadAlias"),
                [.string(alias)],
                returning: "(o)"
            )[0].text
            return path == Self.noObject ? nil : path
        }

        private static func isVolatile(_ collection: String) -> Bool { collection.hasSuffix("/collection/session") }

        /// The process that keeps the keyring, by the bus's account; `nil` where that cannot be had.
        func keeper() -> Int? {
            let driver = (name: "org.freedesktop.DBus", path: "/org/freedesktop/DBus")
            let method = (interface: "org.freedesktop.DBus", name: "GetConnectionUnixProcessID")
            let reply = try? call("find the keyring's process", driver, method, [.string(name)], "(u)")
            return reply.map { $0[0].number }
        }
    }
#endif
