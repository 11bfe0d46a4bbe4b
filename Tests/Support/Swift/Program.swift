import Foundation
internal import Glibc

/// A program run by a test, with sockets for its standard input and output.
package final class Program {
    private let process: pid_t
    private var status: Int32?
    private var input: Int32
    private let output: Int32

    /// The variables of the tests themselves, for what is none of the project's programs.
    package static var inherited: [String: String] { ProcessInfo.processInfo.environment }

    package init(_ command: [String], environment: [String: String] = Program.inherited) throws {
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
        defer { posix_spawn_file_actions_destroy(&files) }
        defer {
            close(toChild[0])
            close(fromChild[1])
        }
        input = toChild[1]
        output = fromChild[0]
        process = try Self.start(command, environment, &files)
    }

    deinit {
        closeInput()
        close(output)
        _ = end()
    }

    /// Runs it to its end without input.
    package static func run(_ command: [String]) throws -> (status: Int32, output: [UInt8]) {
        let program = try Program(command)
        program.closeInput()
        let output = program.read()
        return (program.end(), output)
    }

    /// Closes its input and waits for its end; the exit status, or 128 and the number of the signal that ended it.
    @discardableResult
    package func end() -> Int32 {
        closeInput()
        let status = status ?? Self.wait(for: process)
        self.status = status
        return status
    }

    /// Ends it at once.
    package func kill() {
        if status == nil { Glibc.kill(process, SIGKILL) }
        end()
    }

    package func write(_ text: String) { _ = text.withCString { Glibc.write(input, $0, strlen($0)) } }

    package func closeInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// What it prints until `isEnough` or its end.
    package func read(until isEnough: ([UInt8]) -> Bool = { _ in false }) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while !isEnough(all) {
            let got = Glibc.read(output, &buffer, buffer.count)
            guard got > 0 else { break }
            all += buffer[..<got]
        }
        return all
    }

    /// Starts a program in a session of its own: it has no terminal unless it is given one.
    static func start(
        _ command: [String],
        _ environment: [String: String],
        _ files: inout posix_spawn_file_actions_t
    ) throws -> pid_t {
        // Swift's threads block signals, and what they start would inherit that and survive being told to end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // Nor what a test or a library had the process of the tests ignore.
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let ownSession: Int16 = 0x80  // POSIX_SPAWN_SETSID, which glibc declares for GNU sources only
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF) | ownSession)
        closeOthers(&files)
        var arguments = command.map { strdup($0) } + [nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var process = pid_t()
        let result = posix_spawnp(&process, command[0], &files, &attributes, &arguments, &variables)
        guard result == 0 else { throw Broken(what: "cannot start \(command[0]): errno \(result)") }
        return process
    }

    private typealias CloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    /// Closes everything from 3 on in the program: NIO's sockets have no close-on-exec, and a connection that a test
    /// closes stays open for its peer as long as any program holds it.
    private static func closeOthers(_ files: inout posix_spawn_file_actions_t) {
        // glibc 2.34; asked for by name, since it is not among what Swift imports.
        guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return }
        _ = unsafeBitCast(symbol, to: CloseFrom.self)(&files, 3)
    }

    /// The exit status, or 128 and the number of the signal that ended it.
    static func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}

/// The harness itself does not work.
package struct Broken: Error {
    package let what: String
    package init(what: String) { self.what = what }
}
