internal import Dispatch
@preconcurrency internal import Glibc
package import VaultAPI

/// Starts the user's browser: by argument vector, never through a shell.
package struct BrowserLauncher: Sendable {
    private let environment: [String: String]

    /// - Parameter environment: Whose `BROWSER` and `PATH` count, and what the browser gets.
    package init(environment: [String: String]) {
        self.environment = environment
    }

    /// Starts the first program of `$BROWSER` that can be started, else `xdg-open`, and does not wait for it.
    ///
    /// - Throws: `.unsafe` where `url` is none that a browser may get, `.unavailable` where there is no program; the
    ///   URL has been shown by then, so that is no reason to end a login.
    package func launch(_ url: String) throws(VaultError) {
        let url = try BrowserURL(url).text
        for command in commands(for: url) {
            guard let name = command.first, let program = path(of: name) else { continue }
            if spawn(program, command) { return }
        }
        throw VaultError(.unavailable, "no browser could be started", hint: "open the URL by hand, or set BROWSER")
    }

    /// The argument vectors to try, the URL in its place.
    ///
    /// `BROWSER` is a list separated by colons. A command is split at spaces and nothing else: quotes, semicolons and
    /// dollars are characters of an argument. `%s` stands for the URL, `%%` for a percent sign; without `%s` the URL
    /// comes last.
    func commands(for url: String) -> [[String]] {
        let listed = (environment["BROWSER"] ?? "").split(separator: ":").compactMap { entry -> [String]? in
            let words = entry.split(separator: " ").map(String.init)
            guard !words.isEmpty else { return nil }
            // The first word is the program; the URL never is.
            let arguments = words.dropFirst().map { Self.filled($0, with: url) }
            let names = words.dropFirst().contains { Self.filled($0, with: "") != Self.filled($0, with: "x") }
            return [words[0]] + arguments + (names ? [] : [url])
        }
        return listed + [["xdg-open", url]]
    }

    private static func filled(_ word: String, with url: String) -> String {
        var filled = ""
        var rest = Substring(word)
        while let character = rest.popFirst() {
            switch (character, rest.first) {
            case ("%", "s"):
                filled += url
                rest.removeFirst()
            case ("%", "%"):
                filled += "%"
                rest.removeFirst()
            default: filled.append(character)
            }
        }
        return filled
    }

    /// The program of that name, by absolute directories of `PATH` alone: what the working directory holds is no browser.
    private func path(of name: String) -> String? {
        if name.contains("/") { return name.hasPrefix("/") ? name : nil }
        let directories = (environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
        return directories.lazy.filter { $0.hasPrefix("/") }.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    /// Starts it, in a process group of its own, with no stream, descriptor, blocked or ignored signal of ours.
    private func spawn(_ program: String, _ command: [String]) -> Bool {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        Self.closeOthers(&files)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // All signals: SIGPIPE and SIGXFSZ, which vault ignores, would stay ignored in the browser and all it starts.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // A group of its own: Ctrl-C in the terminal ends the login, not the browser.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )

        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var process = pid_t()
        guard posix_spawn(&process, program, &files, &attributes, &arguments, &variables) == 0 else { return false }
        let child = process
        // Takes its end in, whenever that is: a browser may well outlive us, and no zombie stays in a long-lived host.
        DispatchQueue(label: "browser").async {
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0, errno == EINTR {}
        }
        return true
    }

    private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    /// Closes everything from 3 on in the child: the listener's port among it, which NIO opens without close-on-exec.
    ///
    /// `closefrom` (glibc 2.34) is not among what Swift imports, and asked for by name. Before it, what is open now is
    /// listed; a descriptor that another thread opens in between slips through there.
    private static func closeOthers(_ files: inout posix_spawn_file_actions_t) {
        if let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") {
            _ = unsafeBitCast(symbol, to: CloseFrom.self)(&files, 3)
            return
        }
        guard let directory = opendir("/proc/self/fd") else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let descriptor = Int32(name), descriptor > 2 {
                posix_spawn_file_actions_addclose(&files, descriptor)
            }
        }
    }
}
