internal import ArgumentParser
internal import CVaultSystem
internal import Glibc
internal import VaultAPI
internal import VaultCore

extension CompletionKind {
    /// The names of entries, as far as the vault opens without anybody being asked.
    static var entryNames: CompletionKind { .custom { words, _, prefix in EntryNames.all(words, prefix) } }
}

/// What a shell offers where the name of an entry is expected.
enum EntryNames {
    /// The names; none where the vault is locked, or does not open in time.
    ///
    /// Another process reads them: it can be ended after two seconds, whatever it waits for, and a person who typed a
    /// tab waits no longer.
    static func all(_ words: [String], _ prefix: String) -> [String] {
        let typed = prefix.trimmingPrefix { $0 == "'" || $0 == "\"" }
        let listed = lines(of: ["list", "--no-input", "--quiet"] + ArgumentOrder.place(words)).dropFirst()
        return listed.flatMap { line -> [String] in
            let full = line.prefix { $0 != " " }
            guard let entry = try? EntryName(parsing: String(full)) else { return [] }
            // NAME stands for oauth:NAME, and is what people type.
            guard entry.kind == .oauth else { return [String(full)] }
            return typed.hasPrefix("o") ? [entry.name, String(full)] : [entry.name]
        }
    }

    private static func lines(of arguments: [String]) -> [String] {
        var pipe: [Int32] = [-1, -1]
        guard vault_pipe(&pipe) == 0 else { return [] }
        defer { close(pipe[0]) }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&files, pipe[1], STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var argv = (["vault"] + arguments).map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var process = pid_t()
        let result = posix_spawn(&process, "/proc/self/exe", &files, nil, &argv, environ)
        close(pipe[1])
        guard result == 0 else { return [] }
        defer {
            kill(process, SIGKILL)
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
        let end = ContinuousClock.now + .seconds(2)
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while output.count < 1 << 20 {
            let (seconds, attoseconds) = (end - .now).components
            let left = seconds * 1000 + attoseconds / 1_000_000_000_000_000
            var entry = pollfd(fd: pipe[0], events: Int16(POLLIN), revents: 0)
            guard left > 0, poll(&entry, 1, Int32(left)) == 1 else { return [] }
            let got = read(pipe[0], &buffer, buffer.count)
            guard got > 0 else { break }
            output += buffer[..<got]
        }
        return output.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    }
}
