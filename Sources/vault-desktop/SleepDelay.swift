#if Desktop
    internal import DBusValues
    internal import Glibc

    /// The delay lock of logind: while it is held, the machine does not sleep before logind's own limit (5 s).
    ///
    /// https://systemd.io/INHIBITOR_LOCKS: taken, held until `PrepareForSleep(true)` and then for as long as there is
    /// something to do, released by closing its descriptor, and taken anew on `PrepareForSleep(false)`.
    final class SleepDelay {
        private static let manager = Bus.Target(
            name: "org.freedesktop.login1",
            path: "/org/freedesktop/login1",
            interface: "org.freedesktop.login1.Manager"
        )

        private enum State {
            case awake
            /// The agent has been told, and has not yet said that it is ready.
            case waiting
            /// The agent was ready.
            case released
        }

        private weak var bus: Bus?
        private var state = State.awake
        private var lock: Int32?
        private var isTaking = false

        func begin(on bus: Bus) {
            self.bus = bus
            bus.listen(
                to: Self.manager.name,
                Self.manager.interface,
                "PrepareForSleep",
                path: Self.manager.path,
                type: "(b)"
            ) { [self] _, values in
                if values[0].flag { prepare() } else { wake() }
            }
            bus.watch(Self.manager.name) { [self] isThere in
                // What another logind has handed out delays nothing in this one.
                drop()
                if isThere, state == .awake { take() }
            }
        }

        /// The agent is ready for the machine to sleep; said at another time, it means nothing.
        func release() {
            guard state == .waiting else { return }
            state = .released
            drop()
        }

        private func prepare() {
            state = .waiting
            Lines.say("sleep")
        }

        private func wake() {
            state = .awake
            Lines.say("wake")
            take()
        }

        private func drop() {
            if let lock { close(lock) }
            lock = nil
        }

        private func take() {
            guard lock == nil, !isTaking, let bus else { return }
            isTaking = true
            let why = "Wipes the keys of vaults before the machine sleeps"
            let parameters = ["sleep", "vault", why, "delay"].map(Variant.string)
            bus.call(Self.manager, "Inhibit", parameters, returning: "(h)") { [self] reply in
                isTaking = false
                lock = reply.flatMap { $0.descriptor($0.value[0].handle) }
                // The machine may be on its way to sleep by now.
                if state == .released { drop() }
            }
        }
    }
#endif
