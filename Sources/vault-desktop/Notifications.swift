#if Desktop
    internal import DBusValues

    /// Notifications, as https://specifications.freedesktop.org/notification-spec describes them, one after the other.
    final class Notifications {
        /// Something to show.
        struct Message {
            /// What it is about; a later one about the same takes its place.
            let id: String
            let summary: String
            let body: String
        }

        private static let service = Bus.Target(
            name: "org.freedesktop.Notifications",
            path: "/org/freedesktop/Notifications",
            interface: "org.freedesktop.Notifications"
        )
        /// More than a user reads; the first of them go where nobody takes them.
        private static let longestQueue = 16

        private weak var bus: Bus?
        /// The service's numbers of what is still on the screen.
        private var shown: [String: Int] = [:]
        private var waiting: [Message] = []
        private var isBusy = false

        func begin(on bus: Bus) {
            self.bus = bus
            shown = [:]
            bus.listen(to: Self.service.name, Self.service.interface, "NotificationClosed", type: "(uu)") {
                [self] _, values in
                let number = values[0].number
                shown = shown.filter { $0.value != number }
            }
            bus.listen(
                to: "org.freedesktop.DBus",
                "org.freedesktop.DBus",
                "NameOwnerChanged",
                type: "(sss)",
                first: Self.service.name
            ) { [self] _, _ in
                // Another service's numbers are of other notifications.
                shown = [:]
            }
            next()
        }

        func show(_ message: Message) {
            waiting.removeAll { $0.id == message.id }
            waiting.append(message)
            waiting = waiting.suffix(Self.longestQueue)
            next()
        }

        private func next() {
            guard !isBusy, !waiting.isEmpty, let bus else { return }
            isBusy = true
            let message = waiting.removeFirst()
            // "body-markup: Supports markup in the body text. If marked up text is sent to a server that does not give
            // this cap, the markup will show through as regular text".
            bus.call(Self.service, "GetCapabilities", [], returning: "(as)") { [self] reply in
                guard let reply else { return finish() }
                let hasMarkup = reply.value[0].texts.contains("body-markup")
                notify(message, body: hasMarkup ? Self.escaped(message.body) : message.body, on: bus)
            }
        }

        private func notify(_ message: Message, body: String, on bus: Bus) {
            let parameters: [Variant] = [
                .string("vault"), .number(shown[message.id] ?? 0), .string("dialog-password"),
                .string(message.summary), .string(body), .strings([]), .dictionary("{sv}", []), .signed(-1),
            ]
            bus.call(Self.service, "Notify", parameters, returning: "(u)") { [self] reply in
                if let reply { shown[message.id] = reply.value[0].number }
                finish()
            }
        }

        private func finish() {
            isBusy = false
            next()
        }

        private static func escaped(_ text: String) -> String {
            text.reduce(into: "") { escaped, character in
                switch character {
                case "&": escaped += "&amp;"
                case "<": escaped += "&lt;"
                case ">": escaped += "&gt;"
                default: escaped.append(character)
                }
            }
        }
    }
#endif
