/// Who asks for a secret: the process, as far as the kernel says, and the programs it was started by.
///
/// How it is found out stands in TokenBroker; here it is what a line of the audit log says.
package struct Caller: Hashable, Sendable {
    /// The way on which it asks.
    package enum Via: String, Sendable {
        /// A command that opens the vault itself; the caller is whoever started the command.
        case command
        /// A client of the agent.
        case agent
        /// A client on another machine, through a forwarded socket: what is known is the near end of that.
        case forwarded
        /// A program that uses the library.
        case library
    }

    /// The process that asks.
    package let processID: Int32
    /// The user it runs as.
    package let userID: UInt32
    /// The way on which it asks.
    package let via: Via
    /// The executables of the process and of its ancestors, nearest first: absolute paths, or `[name]` where the path
    /// may not be read.
    package let programs: [String]

    /// The program that wants the secret: the nearest that is not `vault` itself, which only fetches it.
    package var tool: String? {
        let own = ["vault", "vault-main", "[vault]", "[vault-main]"]
        return programs.first { !own.contains($0.split(separator: "/").last.map(String.init) ?? "") } ?? programs.first
    }

    package init(processID: Int32, userID: UInt32, via: Via, programs: [String]) {
        self.processID = processID
        self.userID = userID
        self.via = via
        self.programs = programs
    }
}
