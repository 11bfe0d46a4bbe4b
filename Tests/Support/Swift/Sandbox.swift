package import Foundation
internal import Glibc

/// A home of its own, in which a test runs the `vault` that was built beside it.
///
/// The environment is made from nothing: there is no session bus, no display, no terminal and no variable of the
/// caller's. A test that would leave the home traps.
package final class Sandbox {
    /// Above everything that belongs to this home.
    package let root: String
    /// The variables that every program gets.
    package var environment: [String: String]
    private let bus: PrivateBus?
    /// A runtime directory in memory, where there is one.
    private var memory: String?

    /// What a program that has ended left.
    package struct Outcome: Sendable {
        /// The exit status, or 128 and the number of the signal that ended it.
        package let status: Int32
        package let output: [UInt8]
        package let errors: [UInt8]

        /// Standard output as text.
        package var text: String { String(decoding: output, as: UTF8.self) }
        /// Standard error as text.
        package var notes: String { String(decoding: errors, as: UTF8.self) }
        /// The lines of standard output.
        package var lines: [String] { text.split(separator: "\n").map(String.init) }

        /// Standard output as a JSON object.
        package func object() throws -> [String: Any] {
            let value = try JSONSerialization.jsonObject(with: Data(output))
            guard let object = value as? [String: Any] else { throw Broken(what: "no JSON object: \(text)") }
            return object
        }
    }

    /// A home with nothing in it.
    package convenience init() throws { try self.init(bus: nil) }

    /// A home on a private bus, so that there is a keyring.
    package convenience init(on keeper: PrivateBus.Keeper) throws { try self.init(bus: try PrivateBus(keeper)) }

    private init(bus: PrivateBus?) throws {
        self.bus = bus
        let template = FileManager.default.temporaryDirectory.appending(path: "vault-command-XXXXXX").path()
        var path = Array(template.utf8CString)
        guard mkdtemp(&path) != nil else { throw Broken(what: "no temporary directory") }
        root = template.dropLast(6) + String(decoding: path.dropLast().suffix(6).map(UInt8.init), as: UTF8.self)
        environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": root + "/home",
            "XDG_DATA_HOME": root + "/data",
            "XDG_STATE_HOME": root + "/state",
            "XDG_CONFIG_HOME": root + "/config",
            "XDG_RUNTIME_DIR": root + "/run",
            // A trap: nothing here listens, so no test's request leaves the machine. Loopback goes through no proxy.
            "HTTPS_PROXY": "http://127.0.0.1:9",
        ]
        for directory in ["home", "run"] { try makeDirectory(directory) }
        if let bus {
            for name in ["DBUS_SESSION_BUS_ADDRESS", "PRIVATE_BUS_ROOT", "PRIVATE_BUS_SUPPORT"] {
                environment[name] = bus.environment[name]
            }
        }
    }

    deinit {
        // An agent outlives the commands that use it, and would outlive its home.
        if FileManager.default.fileExists(atPath: path("run/vault/agent.sock")) { _ = try? vault("agent", "stop") }
        try? FileManager.default.removeItem(atPath: root)
        if let memory { try? FileManager.default.removeItem(atPath: memory) }
    }

    /// Makes a runtime directory in memory, as every session has one, and returns its path.
    @discardableResult
    package func makeRuntimeDirectoryInMemory() throws -> String {
        var path = Array("/dev/shm/vault-command-XXXXXX".utf8CString)
        guard mkdtemp(&path) != nil else { throw Broken(what: "no directory in memory") }
        let directory = String(decoding: path.dropLast().map(UInt8.init), as: UTF8.self)
        memory = directory
        environment["XDG_RUNTIME_DIR"] = directory
        return directory
    }

    /// The keyring's bus.
    package func keyring() throws -> PrivateBus {
        guard let bus else { throw Broken(what: "this home has no bus") }
        return bus
    }

    /// The directory of the vault where nothing else is said.
    package var directory: String { root + "/data/vault" }

    /// A path below the root.
    package func path(_ name: String) -> String { "\(root)/\(name)" }

    // MARK: Running

    /// Runs `vault`.
    @discardableResult
    package func vault(
        _ arguments: String...,
        input: [UInt8] = [],
        environment more: [String: String?] = [:]
    ) throws -> Outcome {
        try run([Self.program] + arguments, input: input, environment: more)
    }

    /// Runs `vault` behind a line of shell that ends in `"$@"`.
    package func vault(
        shell line: String,
        _ arguments: String...,
        input: [UInt8] = [],
        environment more: [String: String?] = [:]
    ) throws -> Outcome {
        try run(["/bin/sh", "-c", line, "sh", Self.program] + arguments, input: input, environment: more)
    }

    /// Runs `vault` as a user with no rights and no home, who can reach the sandbox.
    package func vault(
        asNobody arguments: String...,
        input: [UInt8] = [],
        environment more: [String: String?] = [:]
    ) throws -> Outcome {
        guard getuid() == 0 else { return try run([Self.program] + arguments, input: input, environment: more) }
        // The one that was built may lie where nobody else can go.
        let copy = path("bin/vault")
        if !FileManager.default.fileExists(atPath: copy) {
            try makeDirectory("bin")
            chmod(path("bin"), 0o755)
            // By another process: what this one has open for writing, a program just started could still hold, and
            // then the copy cannot be run.
            guard try run(["cp", Self.program, Self.program + "-main", path("bin")]).status == 0 else {
                throw Broken(what: "cp")
            }
        }
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy]
        return try run(nobody + arguments, input: input, environment: more)
    }

    /// Gives a path and what is below it to the user of `vault(asNobody:)`.
    package func giveToNobody(_ name: String) throws {
        guard getuid() == 0 else { return }
        guard try run(["chown", "-R", "65534:65534", path(name)]).status == 0 else { throw Broken(what: "chown") }
        chmod(root, 0o755)
    }

    /// Runs a program to its end, which comes after so many seconds at the latest: one that hangs fails the test.
    @discardableResult
    package func run(
        _ command: [String],
        input: [UInt8] = [],
        environment more: [String: String?] = [:],
        within seconds: Int = 100
    ) throws -> Outcome {
        let command = placing(command)
        let variables = environment.merging(more.compactMapValues { $0 }) { $1 }.filter { more[$0.key] != .some(nil) }
        requireInside(variables)
        let number = UInt64.random(in: .min ... .max)
        let files = ["in", "out", "err"].map { path("\($0)-\(number)") }
        defer { for file in files { unlink(file) } }
        guard FileManager.default.createFile(atPath: files[0], contents: Data(input)) else {
            throw Broken(what: "cannot write \(files[0])")
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, files[0], O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, files[1], O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, files[2], O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let process = try Program.start(["timeout", "-k", "1", "\(seconds)"] + command, variables, &actions)
        let status = Program.wait(for: process)
        return Outcome(status: status, output: try read(files[1]), errors: try read(files[2]))
    }

    /// The store that every vault of the tests is made in: `VAULT_TEST_STORE`, which is `sqlite`, `directory`, or the
    /// address of a cluster without a prefix.
    ///
    /// What is about the database file itself, or about more homes than one on this machine, asks for `.sqlite`.
    package enum Store: Equatable {
        case sqlite
        case directory
        case etcd(String)

        /// The one of this run.
        package static let chosen: Store =
            switch ProcessInfo.processInfo.environment["VAULT_TEST_STORE"] ?? "sqlite" {
            case "sqlite": .sqlite
            case "directory": .directory
            case let address where address.hasPrefix("etcd://"): .etcd(address)
            case let other: preconditionFailure("VAULT_TEST_STORE=\(other)")
            }
    }

    /// The command, and where it is `vault init` that names no store, the one of this run.
    private func placing(_ command: [String]) -> [String] {
        guard let verb = command.firstIndex(of: "init"), verb > 0, !command.contains("--store"),
            command[verb - 1].hasSuffix("/vault")
        else { return command }
        let number = UInt64.random(in: .min ... .max)
        switch Store.chosen {
        case .sqlite: return command
        case .directory: return command[...verb] + ["--store", "dir:\(root)/store-\(number)"] + command[(verb + 1)...]
        case .etcd(let address): return command[...verb] + ["--store", "\(address)/\(number)"] + command[(verb + 1)...]
        }
    }

    /// Has a conversation with `vault` on a terminal: waits for each text, then types the answer to it.
    ///
    /// `@CODE@` in an answer is the recovery code that was shown.
    package func vault(
        typing conversation: [(shown: String, typed: String)],
        _ arguments: String...,
        environment more: [String: String?] = [:]
    ) throws -> Conversation {
        try vault(typing: conversation, arguments: arguments, environment: more)
    }

    /// Has a conversation with `vault` on a terminal.
    package func vault(
        typing conversation: [(shown: String, typed: String)],
        arguments: [String],
        environment more: [String: String?] = [:]
    ) throws -> Conversation {
        let script = try JSONSerialization.data(withJSONObject: conversation.map { [$0.shown, $0.typed] })
        let command = [Self.supportFile("terminal.py"), Self.program] + arguments
        let outcome = try run(command, input: Array(script), environment: more)
        guard outcome.status == 0 else { throw Broken(what: "terminal.py: \(outcome.notes)") }
        return try JSONDecoder().decode(Conversation.self, from: Data(outcome.output))
    }

    /// What was seen on a terminal.
    package struct Conversation: Decodable, Sendable {
        /// The exit status, or 128 and the number of the signal that ended it.
        package let status: Int32
        /// Everything that was shown, standard error included.
        package let shown: String
        /// Standard output.
        package let output: String
        /// Whether the terminal was put back as it was.
        package let restored: Bool
        /// What was waited for in vain.
        package let missing: [String]
    }

    // MARK: Files

    /// Writes a private file and returns its path.
    @discardableResult
    package func write(_ name: String, _ text: String, mode: mode_t = 0o600) throws -> String {
        try write(name, Array(text.utf8), mode: mode)
    }

    /// Writes a private file and returns its path.
    @discardableResult
    package func write(_ name: String, _ bytes: [UInt8], mode: mode_t = 0o600) throws -> String {
        let path = path(name)
        try FileManager.default.createDirectory(
            atPath: URL(filePath: path).deletingLastPathComponent().path(),
            withIntermediateDirectories: true
        )
        if mode & 0o111 != 0 {
            // A program is written by another process, for the reason given at `vault(asNobody:)`.
            _ = try run(["sh", "-c", "cat >\"$1\"", "sh", path], input: bytes)
        } else if !FileManager.default.createFile(atPath: path, contents: Data(bytes)) {
            throw Broken(what: "cannot write \(path)")
        }
        chmod(path, mode)
        return path
    }

    /// The audit log of the only vault of this home.
    package func auditLog() throws -> String {
        let state = environment["XDG_STATE_HOME"] ?? path("state")
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(state)/vault") {
            let log = "\(state)/vault/\(name)/audit.log"
            if FileManager.default.fileExists(atPath: log) { return log }
        }
        throw Broken(what: "there is no audit log")
    }

    /// The bytes of a file.
    package func read(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else { throw Broken(what: "cannot read \(path)") }
        return Array(data)
    }

    /// Makes a private directory.
    package func makeDirectory(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        chmod(path(name), 0o700)
    }

    /// Copies a token file from the fixtures and returns its path.
    @discardableResult
    package func fixture(_ name: String, to target: String? = nil) throws -> String {
        try write(target ?? name, try read(Self.supportFile("../TokenImportTests/Fixtures/\(name)")))
    }

    /// Every file below a directory with its mode and its bytes: two that are equal mean that nothing was written, but to
    /// a cache of what a cluster holds.
    package func snapshot(_ directory: String) throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: directory)
        where !name.contains(".cache/vault/") {
            let path = "\(directory)/\(name)"
            let mode = Self.mode(path)
            found[name + " " + String(mode, radix: 8)] = mode & S_IFMT == S_IFREG ? try read(path) : []
        }
        return found
    }

    /// The mode of what is at `path`, links not followed; 0 where there is nothing.
    package static func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode : 0
    }

    /// A file of `Tests/Support`.
    package static func supportFile(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../\(name)").standardized.path()
    }

    /// The `vault` that was built beside the tests.
    package static let program: String = {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init), as: UTF8.self)
        var candidates = [own] + CommandLine.arguments + Bundle.allBundles.map(\.bundlePath)
        candidates = candidates.map { URL(filePath: $0).deletingLastPathComponent().path() + "vault" }
        // Where the tests run from a bundle elsewhere: what a plain build makes.
        candidates.append(supportFile("../../.build/debug/vault"))
        guard let found = candidates.first(where: { access($0, X_OK) == 0 && mode($0) & S_IFMT == S_IFREG }) else {
            preconditionFailure("no vault beside the tests: \(candidates)")
        }
        return found
    }()

    /// Traps where a program would find the real home, or the real keyring.
    private func requireInside(_ variables: [String: String]) {
        for (name, value) in variables where value.hasPrefix("/") && (name == "HOME" || name.hasSuffix("_HOME")) {
            precondition(value.hasPrefix(root), "\(name)=\(value) leads out of the sandbox")
        }
        for name in ["VAULT_DIR", "VAULT_CONFIG_DIR", "XDG_RUNTIME_DIR"] {
            precondition(
                variables[name].map { $0.isEmpty || $0.hasPrefix(root) || $0 == memory } ?? true,
                "\(name) leads out of the sandbox"
            )
        }
        let own = bus?.environment["DBUS_SESSION_BUS_ADDRESS"]
        precondition((variables["DBUS_SESSION_BUS_ADDRESS"] ?? own) == own, "another session bus than the sandbox's")
    }
}
