import Glibc

/// A program run by a test, with sockets for its standard input and output.
final class Program {
    private let process: pid_t
    private var input: Int32
    private let output: Int32

    init(_ command: [String], environment: [String: String]) throws {
        var (toChild, fromChild): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        // Sockets, since Swift imports no call that makes a pipe close-on-exec from the start.
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &toChild) == 0, socketpair(AF_UNIX, type, 0, &fromChild) == 0 else {
            throw Broken(what: "no sockets")
        }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        posix_spawn_file_actions_adddup2(&files, toChild[0], 0)
        posix_spawn_file_actions_adddup2(&files, fromChild[1], 1)
        // Swift's threads block signals, and what they start would inherit that and survive being told to end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        var process = pid_t()
        let result = posix_spawnp(&process, command[0], &files, &attributes, &arguments, &variables)
        (arguments + variables).forEach { free($0) }
        posix_spawn_file_actions_destroy(&files)
        posix_spawnattr_destroy(&attributes)
        close(toChild[0])
        close(fromChild[1])
        self.process = process
        input = toChild[1]
        output = fromChild[0]
        guard result == 0 else { throw Broken(what: "cannot start \(command[0]): errno \(result)") }
    }

    deinit {
        closeInput()
        close(output)
        if process > 0 { waitpid(process, nil, 0) }
    }

    func write(_ text: String) { _ = text.withCString { Glibc.write(input, $0, strlen($0)) } }

    func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// What it prints until `isEnough` or its end.
    func read(until isEnough: ([UInt8]) -> Bool = { _ in false }) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !isEnough(all) {
            let got = Glibc.read(output, &buffer, buffer.count)
            guard got > 0 else { break }
            all += buffer[..<got]
        }
        return all
    }
}
