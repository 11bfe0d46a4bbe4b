#if Desktop
    internal import DBusValues
    internal import Glibc

    /// Whatever says that the user's screen is locked.
    ///
    /// Any session of the user's counts: the agent serves them all, whichever it was started in. A screen saver that
    /// only blanks the screen says the same as one that locks it.
    final class ScreenLocks {
        private static let logind = "org.freedesktop.login1"
        private static let session = "org.freedesktop.login1.Session"
        private static let properties = "org.freedesktop.DBus.Properties"
        /// Desktops that have a name of their own for it.
        private static let savers = [
            "org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver", "org.cinnamon.ScreenSaver", "org.mate.ScreenSaver",
            "org.xfce.ScreenSaver",
        ]

        func begin(onSystem bus: Bus) {
            bus.listen(to: Self.logind, Self.session, "Lock", type: "()") { path, _ in
                Self.sayLocked(path, on: bus)
            }
            bus.listen(
                to: Self.logind,
                Self.properties,
                "PropertiesChanged",
                type: "(sa{sv}as)",
                first: Self.session
            ) { path, values in
                if values[1].value(of: "LockedHint", type: "b")?.flag == true { Self.sayLocked(path, on: bus) }
            }
        }

        func begin(onSession bus: Bus) {
            for saver in Self.savers {
                bus.listen(to: saver, saver, "ActiveChanged", type: "(b)") { _, values in
                    if values[0].flag { Lines.say("lock") }
                }
            }
        }

        /// Says so if the session is of this user, or if logind will not tell: a lock too many costs less than one too
        /// few.
        private static func sayLocked(_ path: String, on bus: Bus) {
            let target = Bus.Target(name: logind, path: path, interface: properties)
            bus.call(target, "Get", [.string(session), .string("User")], returning: "(v)") { reply in
                let user = reply.map { $0.value[0].unboxed }.flatMap { $0.isOf(type: "(uo)") ? $0[0].number : nil }
                if user == nil || user == Int(getuid()) { Lines.say("lock") }
            }
        }
    }
#endif
