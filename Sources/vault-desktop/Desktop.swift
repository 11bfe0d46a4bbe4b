#if Desktop
    internal import CGio
    internal import Glibc
    internal import KeyringProtocol

    /// Both buses, and what is done on them.
    final class Desktop {
        private let environment: [String: String]
        private let sleep = SleepDelay()
        private let locks = ScreenLocks()
        private let notifications = Notifications()
        private var buses: [Bus] = []
        private var reader = LineReader()
        /// How many buses have not yet said whether they are there.
        private var awaited = 2

        init(environment: [String: String]) { self.environment = environment }

        /// Runs until standard input ends; this process with it.
        func run() -> Never {
            let input = Handler<Void> { [self] _ in read() }
            _ = g_unix_fd_add(
                STDIN_FILENO,
                GIOCondition(rawValue: G_IO_IN.rawValue | G_IO_HUP.rawValue | G_IO_ERR.rawValue),
                { _, _, data in
                    Handler<Void>.of(data).handle(())
                    return 1
                },
                input.retained()
            )
            let system = Bus(G_BUS_TYPE_SYSTEM) { [self] bus in
                sleep.begin(on: bus)
                locks.begin(onSystem: bus)
            } settled: { [self] in
                settle()
            }
            let session = Bus(G_BUS_TYPE_SESSION) { [self] bus in
                locks.begin(onSession: bus)
                notifications.begin(on: bus)
            } settled: { [self] in
                settle()
            }
            buses = [system, session]
            system.connect()
            // GIO would start a bus by itself, with nobody on it, where no address says which one is meant.
            if SessionBus(environment).absence == nil { session.connect() } else { settle() }
            let loop = g_main_loop_new(nil, 0)
            while true { g_main_loop_run(loop) }
        }

        private func settle() {
            awaited -= 1
            if awaited == 0 { Lines.say("ready") }
        }

        private func read() {
            guard let lines = reader.read() else { _exit(0) }
            for line in lines {
                let words = line.split(separator: " ", omittingEmptySubsequences: false)
                if words == ["locked"] { sleep.release() }
                if words.count == 4, words[0] == "notify", let summary = Self.text(words[2]),
                    let body = Self.text(words[3])
                {
                    notifications.show(Notifications.Message(id: String(words[1]), summary: summary, body: body))
                }
            }
        }

        /// What a word in base64 says, without what a notification has no use for.
        private static func text(_ word: Substring) -> String? {
            guard word.utf8.allSatisfy({ $0 != 0 }) else { return nil }
            var count: gsize = 0
            guard let bytes = g_base64_decode(String(word), &count) else { return nil }
            defer { g_free(bytes) }
            let text = String(decoding: UnsafeBufferPointer(start: bytes, count: Int(count)), as: UTF8.self)
            let kept = text.unicodeScalars.filter { $0 == "\n" || $0.properties.generalCategory != .control }
            return String(String.UnicodeScalarView(kept))
        }
    }
#endif
