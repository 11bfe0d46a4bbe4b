internal import Glibc
package import VaultCore

/// Finding out who asks: the executables of a process and of those that started it.
///
/// It is what the kernel says at that moment, and no more than advice: a program of the same user can start any other
/// one, or trace it.
extension Caller {
    /// How many ancestors are looked at, besides the process itself.
    private static let generations = 4

    /// This process as the one that asks.
    ///
    /// For a command it is the process that started it: `vault` itself is only the tool.
    package static func own(via: Via) -> Caller {
        let process = via == .command ? getppid() : getpid()
        return Caller(processID: process, userID: getuid(), via: via, programs: programs(of: process))
    }

    /// Another process as the one that asks, as `SO_PEERCRED` names it.
    package static func peer(processID: Int32, userID: UInt32, via: Via) -> Caller {
        Caller(processID: processID, userID: userID, via: via, programs: programs(of: processID))
    }

    /// The executables of a process and of its ancestors, nearest first.
    ///
    /// `vault` is not dumpable, so its executable cannot be read; its parent's number can, and leads on.
    static func programs(of process: Int32) -> [String] {
        var programs: [String] = []
        var process = process
        for _ in 0...generations {
            guard process > 0, let before = ProcessStatus(of: process) else { break }
            let path = executable(of: process)
            // The same start time before and after: else the number has been given to another process meanwhile.
            guard let after = ProcessStatus(of: process), after.startTime == before.startTime else { break }
            programs.append(path ?? "[\(after.name)]")
            process = after.parent
        }
        return programs
    }

    private static func executable(of process: Int32) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/\(process)/exe", &buffer, buffer.count)
        guard count > 0, count < buffer.count, buffer[0] == CChar(bitPattern: UInt8(ascii: "/")) else { return nil }
        return String(validating: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// What `/proc/PID/stat` says; everybody may read it (proc_pid_stat(5)).
struct ProcessStatus {
    let name: String
    let parent: Int32
    let startTime: UInt64

    init?(of process: Int32) {
        let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        self.init(bytes.prefix(count))
    }

    /// Reads `PID (name) state ppid …`; the name may hold spaces and brackets, so its end is the last one.
    init?(_ text: some BidirectionalCollection<UInt8>) {
        guard let open = text.firstIndex(of: UInt8(ascii: "(")), let end = text.lastIndex(of: UInt8(ascii: ")")),
            open < end
        else { return nil }
        let fields = String(decoding: text[text.index(after: end)...], as: UTF8.self).split(
            whereSeparator: \.isWhitespace
        )
        // The state is field 3 there, the parent 4, the start time 22.
        guard fields.count > 19, let parent = Int32(fields[1]), let startTime = UInt64(fields[19]) else { return nil }
        name = String(decoding: text[text.index(after: open)..<end], as: UTF8.self)
        self.parent = parent
        self.startTime = startTime
    }
}
