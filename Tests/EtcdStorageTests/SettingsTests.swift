import TestSupport
import Testing
import VaultAPI

@testable import EtcdStorage

struct EtcdSettingsTests {
    @Test func saysWhoWeAreToTheCluster() throws {
        let settings = try #require(
            try EtcdSettings(
                yaml: Array(
                    """
                    endpoints: [https://a.example:2379, "https://[::1]:2380"]
                    prefix: team/vault
                    ca: /etc/ca.pem
                    certificate: /etc/cert.pem
                    key: /etc/key.pem
                    user: broker
                    password_file: /home/a/pw
                    """.utf8
                ),
                path: "/x/store.yaml"
            )
        )
        let address = try #require(settings.address)
        #expect("\(address)" == "etcd://a.example:2379,[::1]:2380/team/vault")
        let cluster = try settings.cluster(for: EtcdAddress(members: [address.members[1]], prefix: "team/vault"))
        #expect(cluster.endpoints == settings.endpoints && cluster.endpoints.allSatisfy(\.isSecure))
        #expect(cluster.user?.name == "broker" && cluster.authorities == "/etc/ca.pem" && cluster.key == "/etc/key.pem")
        for other in ["a.example:2379/other", "b.example:2379/team/vault"] {
            let other = try #require(EtcdAddress(other[...]))
            let error = #expect(throws: VaultError.self) { try settings.cluster(for: other) }
            #expect(error?.code == .configuration)
        }
    }

    private static let good = "endpoints: [https://a]\n"

    @Test(
        arguments: [
            ("endpoints: https://a", 78), ("endpoints: []", 78), ("endpoints: [ftp://a]", 78), ("endpoints: [a:1]", 78),
            ("endpoints: [https://a:0]", 78), ("endpoints: [https://a/x]", 78), ("endpoints: [3]", 78),
            ("endpoints: [http://a.example]", 10), ("endpoints: [http://127.0.0.1.example]", 10),
            ("endpoints: ['https://u:hunter2@a']", 10), (good + "password: hunter2", 10),
            (good + "prefix: a//b", 78), (good + "prefix: 'a b'", 78), (good + "prefix: /", 78),
            (good + "ca: ca.pem", 78), (good + "key: /k", 78), (good + "certificate: /k", 78), (good + "user: a", 78),
            (good + "password_file: /p", 78), (good + "pasword_file: /p", 78), (good + good, 78), ("- a", 78),
            ("endpoints: [", 78), (good + "store: etcd://u:hunter2@a/b", 10), (good + "user: 3\npassword_file: /p", 78),
        ]
    )
    func refuses(text: String, status: Int) throws {
        let error = #expect(throws: VaultError.self) {
            try EtcdSettings(yaml: Array(text.utf8), path: "/x/store.yaml")
        }
        #expect(error.map { Int($0.code.exitStatus) } == status, "\(text)")
        #expect(error?.message.contains("/x/store.yaml") == true && error?.message.contains("line ") == true)
        #expect("\(error as Any)".contains("hunter2") == false)
    }

    @Test func theSchemaTakesWhatIsTaken() throws {
        let good: [[String: Any]] = [
            ["endpoints": ["https://a.example:2379", "http://127.0.0.1:1", "http://[::1]:1"], "prefix": "a/b"],
            ["ca": "/a", "certificate": "/b", "key": "/c", "user": "u", "password_file": "/d", "store": "sqlite"],
        ]
        let bad: [[String: Any]] = [
            ["endpoints": []], ["endpoints": ["http://a.example:1"]], ["endpoints": ["https://u@a"]],
            ["prefix": "a//b"],
            ["key": "/c"], ["user": "u"], ["password": "x"], ["ca": "ca.pem"], ["store": "etcd://u@a/b"],
        ]
        #expect(try SchemaCheck.complaints(good.map { ["good", "store.schema.json", $0] }).isEmpty)
        for document in bad {
            #expect(try !SchemaCheck.complaints([["bad", "store.schema.json", document]]).isEmpty, "\(document)")
        }
    }
}
