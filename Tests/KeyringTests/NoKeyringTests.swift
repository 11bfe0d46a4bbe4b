import Foundation
import KeyCustody
import TestSupport
import Testing

/// Where there is no keyring, or not the one it seems to be.
@Suite(.blocking, .serialized)
struct NoKeyringTests {
    private static func code(_ client: KeyringClient) async -> KeyringError.Code? {
        let error = await #expect(throws: KeyringError.self) {
            try await client.lookup(vault: Sample.vault, slot: Sample.slot, interactive: false)
        }
        return error?.code
    }

    @Test func saysThereIsNoBusWithoutLookingForTheProgram() async throws {
        let client = KeyringClient(program: "/nonexistent", environment: ["PATH": "/usr/bin", "DISPLAY": ":0"])
        #expect(await Self.code(client) == .unavailable)
        let state = try await client.probe(interactive: false)
        #expect(state.obstacle?.message.contains("DBUS_SESSION_BUS_ADDRESS is not set") == true)
        #expect(state.obstacle?.hint == "use a passphrase slot")
    }

    @Test func saysThereIsNoServiceOnTheBus() async throws {
        let bus = try PrivateBus(.nobody)
        #expect(await Self.code(bus.client()) == .unavailable)
        #expect(try await bus.client().probe(interactive: false).obstacle?.code == .unavailable)
    }

    @Test(arguments: ["unix:path=/nonexistent/bus", "nonsense", "autolaunch:"])
    func saysUnavailableOfABusThatIsNotThere(address: String) async {
        let client = KeyringClient(environment: ["DBUS_SESSION_BUS_ADDRESS": address], deadlines: .forTests)
        #expect(await Self.code(client) == .unavailable)
    }

    @Test(arguments: [
        ["SECRET_BACKEND": "file"], ["SECRET_FILE_TEST_PATH": "/tmp/x"], ["SECRET_SERVICE_BUS_NAME": "a.b"],
    ])
    func refusesVariablesMadeForTests(variables: [String: String]) async throws {
        let bus = try PrivateBus()
        let client = KeyringClient(environment: bus.environment.merging(variables) { $1 })
        #expect(await Self.code(client) == .refused)
    }

    @Test func namesTheProgramThatIsMissing() async {
        let client = KeyringClient(program: "/nonexistent", environment: ["DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"])
        #expect(await Self.code(client) == .programMissing)
    }

    @Test(arguments: [
        "exit 0", "kill -9 $$", "cat /dev/urandom | head -c 99999 >&3", "printf '\\377\\377\\377\\377' >&3",
        "printf '\\0\\0\\0\\2\\1\\11' >&3", "printf '\\0\\0\\0\\11\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\377' >&3; exit",
        "printf '\\0\\0\\0\\12\\1\\0\\0\\0\\0\\0\\0\\0\\0\\1' >&3; exit", "printf '\\0\\0\\0\\12\\1' >&3; exit",
    ])
    func survivesAProgramThatAnswersNonsense(script: String) async throws {
        let path = NSTemporaryDirectory() + "/nonsense-\(UUID().uuidString)"
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        let environment = ["DBUS_SESSION_BUS_ADDRESS": "unix:path=/x", "PATH": "/usr/bin:/bin"]
        #expect(
            await Self.code(KeyringClient(program: path, environment: environment, deadlines: .forTests)) == .failed
        )
    }
}
