#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import KeyringProtocol

    /// A prompt of the service on its way: shown, then completed or dismissed by somebody, or gone with the service.
    ///
    /// libsecret has a call for this, which returns the same for a prompt that was dismissed and one that was answered
    /// where the service sends a result along in both cases.
    final class Prompt {
        private enum Outcome { case completed, dismissed, gone }

        private let bus: OpaquePointer
        private var subscriptions: [guint] = []
        private var outcome: Outcome?

        /// Listens for the prompt at `path`, which has to be before it is shown: it may be over at once.
        init(bus: OpaquePointer, service: String, path: String) {
            self.bus = bus
            // The callbacks run in `wait` alone, so this object outlives them.
            let this = Unmanaged.passUnretained(self).toOpaque()
            let completed = g_dbus_connection_signal_subscribe(
                bus,
                service,
                "org.freedesktop.Secret.Prompt",
                "Completed",
                path,
                nil,
                G_DBUS_SIGNAL_FLAGS_NONE,
                { _, _, _, _, _, parameters, this in Prompt.from(this)?.completed(parameters) },
                this,
                nil
            )
            let owner = g_dbus_connection_signal_subscribe(
                bus,
                "org.freedesktop.DBus",
                "org.freedesktop.DBus",
                "NameOwnerChanged",
                "/org/freedesktop/DBus",
                service,
                G_DBUS_SIGNAL_FLAGS_NONE,
                { _, _, _, _, _, _, this in Prompt.from(this)?.end(.gone) },
                this,
                nil
            )
            subscriptions = [completed, owner]
        }

        deinit {
            for subscription in subscriptions { g_dbus_connection_signal_unsubscribe(bus, subscription) }
        }

        /// Waits until it is over, for ever if need be; the parent has the clock.
        func wait(_ what: String) throws(Failure) {
            while outcome == nil { g_main_context_iteration(nil, 1) }
            switch outcome {
            case .completed, nil: return
            case .dismissed: throw Failure(.dismissed, "cannot \(what): the prompt was dismissed")
            case .gone: throw Failure(.unavailable, "cannot \(what): the Secret Service went away while it asked")
            }
        }

        private static func from(_ pointer: UnsafeMutableRawPointer?) -> Prompt? {
            pointer.map { Unmanaged<Prompt>.fromOpaque($0).takeUnretainedValue() }
        }

        private func completed(_ parameters: OpaquePointer?) {
            guard let parameters else { return }
            let parts = Variant(taking: g_variant_ref(parameters))
            // Anything else than the flag and a result is no answer at all.
            end(parts.isOf(type: "(bv)") && !parts[0].flag ? .completed : .dismissed)
        }

        private func end(_ outcome: Outcome) { self.outcome = self.outcome ?? outcome }
    }
#endif
