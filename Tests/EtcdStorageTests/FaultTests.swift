import EtcdStorage
import FoundationEssentials
import TestSupport
import Testing
import VaultStorage

struct EtcdFaultTests {
    /// A bad line to a member, or a bad member.
    private final class Proxy {
        let port: Int
        private let program: Program

        init(_ member: Int, _ mode: String) throws {
            program = try Program(["/usr/bin/python3", Sandbox.supportFile("etcd/proxy.py"), "\(member)", mode])
            let line = String(decoding: program.read { $0.contains(10) }, as: UTF8.self)
            port = try #require(Int(line.dropLast()))
        }
    }

    @Test func aWriteWhoseAnswerIsLostIsDoneOnce() async throws {
        let scratch = try Scratch()
        let server = try await SharedServer.get()
        let cluster = try await SharedServer.cluster()
        let made = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        let before = try await made.changeCounter()
        let proxy = try Proxy(server.port, "drop")
        var behind = cluster
        behind.endpoints = EtcdCluster.local(proxy.port).endpoints
        let store = try await EtcdStore.open(in: behind, locks: scratch("locks"))
        try await store.commit([put(1, 1, [1, 2, 3])], ifHeaderGeneration: 1)
        #expect(try await made.record(recordID(1))?.sealed == [1, 2, 3])
        #expect(try await made.changeCounter() == before + 1)
        try await store.commit([put(1, 2, replacing: 1)], ifHeaderGeneration: 1)
        #expect(try await made.record(recordID(1))?.generation == 2)
    }

    /// It neither goes on nor closes the connection.
    @Test func aMemberThatFallsSilentInTheMiddleIsNotWaitedFor() async throws {
        let scratch = try Scratch()
        let proxy = try Proxy(1, "half")
        let began = ContinuousClock.now
        let error = await #expect(throws: StoreError.self) {
            try await EtcdStore.open(in: EtcdCluster.local(proxy.port), locks: scratch("locks")).record(recordID(1))
        }
        #expect(error?.code == .unreachable)
        #expect(ContinuousClock.now - began < .seconds(30))
    }

    @Test(
        arguments: [
            "", "{", "[]", "{}", "null", #"{"responses":[]}"#, #"{"succeeded":true}"#,
            #"{"header":{"revision":"x"}}"#, #"{"header":{"revision":"1"},"responses":[{},{}]}"#,
            #"{"header":{"revision":"1"},"kvs":[{"key":"YQ==","value":"AA==","mod_revision":"1","version":"1"}]}"#,
            #"{"kvs":[{"key":"!","value":"!"}]}"#, #"{"kvs":[{"key":3}]}"#, #"HTTP/1.1 000 x\r\n\r\n"#,
            #"HTTP/9 x\r\n"#,
            #"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"#,
        ]
    )
    func aLyingMemberIsNoVault(answer: String) async throws {
        let scratch = try Scratch()
        let proxy = try Proxy(1, answer)
        let cluster = EtcdCluster.local(proxy.port)
        let error = await #expect(throws: StoreError.self) {
            try await EtcdStore.open(in: cluster, locks: scratch("locks")).record(recordID(1))
        }
        let codes: [StoreError.Code] = [.damaged, .unavailable, .unreachable, .absent]
        #expect(error.map { codes.contains($0.code) } == true, "\(error as Any)")
    }

    // MARK: - TLS

    /// Certificates of one authority, and of another.
    private struct Certificates {
        let scratch: Scratch

        init() throws {
            scratch = try Scratch()
            for name in ["ca", "other"] {
                try openssl(
                    ["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-out", scratch("\(name).pem")]
                        + key(name)
                )
            }
            try make("server", "IP:127.0.0.1")
            try make("elsewhere", "DNS:etcd.example")
            try make("late", "IP:127.0.0.1", days: "-1")
            try make("client", "DNS:client")
        }

        private func key(_ name: String) -> [String] {
            ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", scratch("\(name).key")]
        }

        private func make(_ name: String, _ subject: String, days: String = "2") throws {
            let request = scratch("\(name).csr")
            try openssl(
                ["req", "-nodes", "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(subject)", "-out", request]
                    + key(name)
            )
            try openssl([
                "x509", "-req", "-in", request, "-CA", scratch("ca.pem"), "-CAkey", scratch("ca.key"),
                "-set_serial", "\(Int.random(in: 1...1 << 40))", "-days", days, "-copy_extensions", "copy",
                "-out", scratch("\(name).pem"),
            ])
        }

        private func openssl(_ arguments: [String]) throws {
            let program = try Program(["/bin/sh", "-c", "exec openssl \"$@\" 2>/dev/null", "openssl"] + arguments)
            _ = program.read()
            try #require(program.end() == 0, "openssl \(arguments[0])")
        }

        /// A cluster that is spoken to in TLS, by a client with its certificate.
        func cluster(_ port: Int, authority: String = "ca") -> EtcdCluster {
            var cluster = EtcdCluster.local(port)
            cluster.endpoints[0].isSecure = true
            cluster.authorities = scratch("\(authority).pem")
            (cluster.certificate, cluster.key) = (scratch("client.pem"), scratch("client.key"))
            return cluster
        }

        func server(_ name: String) async throws -> EtcdServer {
            try await EtcdServer(
                secure: (scratch("\(name).pem"), scratch("\(name).key"), scratch("ca.pem"))
            )
        }
    }

    @Test func certificatesVouchForBothEnds() async throws {
        let certificates = try Certificates()
        let server = try await certificates.server("server")
        let locks = certificates.scratch("locks")
        let good = certificates.cluster(server.port)
        try await eventually("the member serves") {
            do {
                _ = try await EtcdStore.create(in: good, locks: locks, header: firstHeader)
                return true
            } catch let error as StoreError where error.code == .unreachable {
                return false
            }
        }
        #expect(try await EtcdStore.open(in: good, locks: locks).header() == firstHeader)
        var without = good
        (without.certificate, without.key) = (nil, nil)
        for (what, cluster) in [
            ("another authority", certificates.cluster(server.port, authority: "other")), ("no certificate", without),
        ] {
            let error = await #expect(throws: StoreError.self) { try await EtcdStore.open(in: cluster, locks: locks) }
            #expect(error?.code == .unreachable, "\(what)")
        }
        var readable = good
        readable.key = certificates.scratch("server.pem")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644],
            ofItemAtPath: certificates.scratch("server.pem")
        )
        let error = await #expect(throws: StoreError.self) { try await EtcdStore.open(in: readable, locks: locks) }
        #expect(error?.code == .unsafe)
    }

    @Test(arguments: ["elsewhere", "late"])
    func aCertificateOfAnotherNameOrTimeIsRefused(name: String) async throws {
        let certificates = try Certificates()
        let server = try await certificates.server(name)
        let cluster = certificates.cluster(server.port)
        let error = await #expect(throws: StoreError.self) {
            try await EtcdStore.open(in: cluster, locks: certificates.scratch("locks"))
        }
        #expect(error?.code == .unreachable && error?.message.contains("certificate") == true, "\(error as Any)")
    }
}
