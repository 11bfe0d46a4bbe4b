import Foundation
import Glibc
import TestSupport
import Testing
import VaultAPI
import VaultAgent

/// The hand-over by systemd's own program, and what no healthy service manager hands over.
@Suite(.blocking, .serialized)
struct ServiceManagerTests {
    private let home: Sandbox
    /// The last numbers that there are: whatever else is opened beside gets the lowest that is free.
    private let first: Int32

    init() throws {
        home = try Sandbox()
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        first = Int32(min(limit.rlim_cur, 8192)) - 4
    }

    @Test func systemdsOwnHandOverIsTaken() throws {
        let paths = [home.path("run/a.sock"), home.path("run/b.sock")]
        let program = try Program(
            ["systemd-socket-activate"] + paths.map { "--listen=" + $0 } + ["--fdname=a:b", Self.activated],
            environment: home.environment
        )
        let end = ContinuousClock.now + .seconds(60)
        var connection: Int32 = -1
        while connection < 0, ContinuousClock.now < end { connection = connected(to: paths[0]) }
        try #require(connection >= 0)
        defer { close(connection) }
        var answer = [UInt8](repeating: 0, count: 16)
        #expect(read(connection, &answer, answer.count) == 2 && answer[0] == UInt8(ascii: "2"))
        #expect(program.end() == 0)
    }

    @Test func variablesForAnotherProcessAreNotOurs() throws {
        setenv("LISTEN_PID", "1", 1)
        setenv("LISTEN_FDS", "1", 1)
        #expect(try ServiceManager.takeSockets(["LISTEN_PID": "1", "LISTEN_FDS": "1"]) == [])
        #expect(getenv("LISTEN_PID") == nil && getenv("LISTEN_FDS") == nil)
        #expect(try ServiceManager.takeSockets([:]) == [])
        #expect(try ServiceManager.takeSockets(["LISTEN_PID": "\(getpid())"]) == [])
    }

    @Test(arguments: ["", "x", "-1", "65", "99999999999", "1 "])
    func aNumberThatIsNoneIsRefused(count: String) {
        refused { try ServiceManager.takeSockets(["LISTEN_PID": "\(getpid())", "LISTEN_FDS": count]) }
    }

    @Test func onlyListeningUnixStreamsAreTaken() throws {
        let listening = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #expect(bound(listening, to: home.path("run/s")) && listen(listening, 1) == 0)
        let variables = ["LISTEN_PID": "\(getpid())", "LISTEN_FDS": "2"]
        let others: [Int32] = [
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0), socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0),
            socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), open("/dev/null", O_RDONLY), -1,
        ]
        #expect(listen(others[2], 1) == 0)
        defer { for other in others { close(other) } }
        for other in others {
            #expect(dup2(listening, first) == first)
            if other >= 0 { #expect(dup2(other, first + 1) == first + 1) }
            refused { try ServiceManager.takeSockets(variables, from: first) }
            close(first + 1)
        }
        #expect(dup2(listening, first + 1) == first + 1)
        let two = [first, first + 1]
        #expect(try ServiceManager.takeSockets(variables, from: first) == two)
        for taken in two { #expect(fcntl(taken, F_GETFD) == FD_CLOEXEC) }
        refused {
            try ServiceManager.takeSockets(variables.merging(["LISTEN_FDNAMES": "a"]) { $1 }, from: first)
        }
        for taken in two + [listening] { close(taken) }
    }

    @Test(arguments: [false, true])
    func readinessIsSaid(isAbstract: Bool) throws {
        let path = isAbstract ? "@vault-test-\(UInt64.random(in: .min ... .max))" : home.path("run/notify")
        let receiver = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(receiver) }
        #expect(bound(receiver, to: path))
        #expect(ServiceManager.notify("READY=1", ["NOTIFY_SOCKET": path]))
        var message = [UInt8](repeating: 0, count: 64)
        let count = recv(receiver, &message, message.count, Int32(MSG_DONTWAIT))
        #expect(count == 7 && String(decoding: message.prefix(7), as: UTF8.self) == "READY=1")
    }

    @Test(arguments: [nil, "", "@", "relative", "/nonexistent/notify", "/" + String(repeating: "x", count: 200)])
    func whereNobodyListensNothingIsSaid(path: String?) {
        #expect(!ServiceManager.notify("READY=1", path.map { ["NOTIFY_SOCKET": $0] } ?? [:]))
    }

    private static let activated = Sandbox.program + "-test-activated"

    private func refused(_ body: () throws -> [Int32]) {
        #expect { try body() } throws: { ($0 as? VaultError)?.code == .configuration }
    }

    private func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        if path.hasPrefix("@") { name[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(2 + name.count)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }

    private func bound(_ socket: Int32, to path: String) -> Bool { withAddress(path) { bind(socket, $0, $1) } == 0 }

    private func connected(to path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if withAddress(path, { connect(descriptor, $0, $1) }) == 0 { return descriptor }
        close(descriptor)
        return -1
    }
}
