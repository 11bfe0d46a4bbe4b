#if Desktop
    internal import CGio
    internal import DBusValues
    internal import Glibc

    /// A message bus: connected to without waiting, and again where it was there and has gone.
    ///
    /// One that is not there at first is not tried again: on a machine without it, it does not come.
    final class Bus {
        private let type: GBusType
        private let begin: (Bus) -> Void
        private let settled: () -> Void
        private var connection: OpaquePointer?
        private var isSettled = false
        private var wasThere = false
        /// Seconds until it is tried again.
        private var pause: guint = 1

        /// What came back from a call.
        struct Reply {
            let value: Variant
            fileprivate let descriptors: UnsafeMutablePointer<GUnixFDList>?

            /// A copy of a descriptor that came along, which is the caller's.
            func descriptor(_ index: Int32) -> Int32? {
                guard let descriptors, (0..<g_unix_fd_list_get_length(descriptors)).contains(index) else { return nil }
                let descriptor = g_unix_fd_list_get(descriptors, index, nil)
                return descriptor < 0 ? nil : descriptor
            }
        }

        /// Who is called, or listened to.
        struct Target {
            var name: String
            var path: String
            var interface: String
        }

        /// A bus that is not connected to yet.
        ///
        /// - Parameters:
        ///   - begin: Called with each connection.
        ///   - settled: Called once: when everything of the first `begin` has reached the bus, or there is none.
        init(_ type: GBusType, begin: @escaping (Bus) -> Void, settled: @escaping () -> Void) {
            self.type = type
            self.begin = begin
            self.settled = settled
        }

        /// Begins to connect.
        func connect() {
            guard let address = g_dbus_address_get_for_bus_sync(type, nil, nil) else { return failed() }
            defer { g_free(address) }
            let done = Handler<OpaquePointer?> { [self] connection in
                if let connection { connected(connection) } else { failed() }
            }
            g_dbus_connection_new_for_address(
                address,
                GDBusConnectionFlags(
                    rawValue: G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT.rawValue
                        | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION.rawValue
                ),
                nil,
                nil,
                { _, result, data in
                    Handler<OpaquePointer?>.taken(data).handle(g_dbus_connection_new_for_address_finish(result, nil))
                },
                done.retained()
            )
        }

        /// Calls a method without waiting; `done` gets `nil` where it failed, or answered something of another type.
        func call(
            _ target: Target,
            _ method: String,
            _ parameters: [Variant],
            returning type: String,
            done: @escaping (Reply?) -> Void
        ) {
            guard let connection else { return done(nil) }
            let expected = g_variant_type_new(type)
            defer { g_variant_type_free(expected) }
            let answered = Handler<Reply?>(done)
            Variant.tuple(parameters).withPointer { parameters in
                g_dbus_connection_call_with_unix_fd_list(
                    connection,
                    target.name,
                    target.path,
                    target.interface,
                    method,
                    parameters,
                    expected,
                    G_DBUS_CALL_FLAGS_NONE,
                    10_000,
                    nil,
                    nil,
                    { connection, result, data in
                        var descriptors: UnsafeMutablePointer<GUnixFDList>?
                        let value = g_dbus_connection_call_with_unix_fd_list_finish(
                            connection.map { OpaquePointer($0) },
                            &descriptors,
                            result,
                            nil
                        )
                        let reply = value.map { Reply(value: Variant(taking: $0), descriptors: descriptors) }
                        Handler<Reply?>.taken(data).handle(reply)
                        if let descriptors { g_object_unref(descriptors) }
                    },
                    answered.retained()
                )
            }
        }

        /// Listens for a signal of the program that owns a name, of any object unless `path` says which.
        ///
        /// - Parameters:
        ///   - type: The type of its values; others are passed over.
        ///   - first: What its first value must be, a text.
        func listen(
            to name: String,
            _ interface: String,
            _ member: String,
            path: String? = nil,
            type: String,
            first: String? = nil,
            heard: @escaping (_ path: String, _ values: Variant) -> Void
        ) {
            let handler = Handler<(path: String, values: Variant)> { signal in
                if signal.values.isOf(type: type) { heard(signal.path, signal.values) }
            }
            _ = g_dbus_connection_signal_subscribe(
                connection,
                name,
                interface,
                member,
                path,
                first,
                G_DBUS_SIGNAL_FLAGS_NONE,
                { _, _, path, _, _, values, data in
                    guard let path, let values else { return }
                    let signal = (path: String(cString: path), values: Variant(taking: g_variant_ref(values)))
                    Handler<(path: String, values: Variant)>.of(data).handle(signal)
                },
                handler.retained(),
                { Handler<(path: String, values: Variant)>.release($0) }
            )
        }

        /// Says whether somebody owns a name, now and whenever that changes; a service that can be started is.
        func watch(_ name: String, changed: @escaping (_ isThere: Bool) -> Void) {
            _ = g_bus_watch_name_on_connection(
                connection,
                name,
                G_BUS_NAME_WATCHER_FLAGS_AUTO_START,
                { _, _, _, data in Handler<Bool>.of(data).handle(true) },
                { _, _, data in Handler<Bool>.of(data).handle(false) },
                Handler<Bool>(changed).retained(),
                { Handler<Bool>.release($0) }
            )
        }

        private func connected(_ connection: OpaquePointer) {
            self.connection = connection
            (wasThere, pause) = (true, 1)
            let closed = Handler<Void> { [self] in lost() }
            let callback: @convention(c) (OpaquePointer?, gboolean, OpaquePointer?, gpointer?) -> Void = {
                _,
                _,
                _,
                data in Handler<Void>.of(data).handle(())
            }
            _ = g_signal_connect_data(
                UnsafeMutableRawPointer(connection),
                "closed",
                unsafeBitCast(callback, to: GCallback.self),
                closed.retained(),
                { data, _ in Handler<Void>.release(data) },
                GConnectFlags(rawValue: 0)
            )
            begin(self)
            // What was asked of the bus before this call is in force when it is answered.
            let driver = Target(
                name: "org.freedesktop.DBus",
                path: "/org/freedesktop/DBus",
                interface: "org.freedesktop.DBus"
            )
            call(driver, "GetId", [], returning: "(s)") { [self] _ in settle() }
            // It may have gone before anybody listened for that.
            if g_dbus_connection_is_closed(connection) != 0 { lost() }
        }

        private func lost() {
            guard let connection else { return }
            self.connection = nil
            g_object_unref(UnsafeMutableRawPointer(connection))
            settle()
            tryAgain()
        }

        private func failed() {
            settle()
            if wasThere { tryAgain() }
        }

        private func tryAgain() {
            let again = Handler<Void> { [self] in connect() }
            _ = g_timeout_add_seconds(
                pause,
                { data in
                    Handler<Void>.taken(data).handle(())
                    return 0
                },
                again.retained()
            )
            pause = min(pause * 2, 60)
        }

        private func settle() {
            guard !isSettled else { return }
            isSettled = true
            settled()
        }
    }
#endif
