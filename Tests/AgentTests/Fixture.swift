import Foundation
import Glibc
import KeyCustody
import PrivateFiles
import Providers
import Synchronization
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import AgentClient
@testable import CredentialVault
@testable import OAuthFlows
@testable import TokenBroker
@testable import VaultAgent

/// How a vault is reached.
enum Way: String, CaseIterable, Sendable {
    case local, agent
}

/// A clock that stands still until it is told to go on; boot time goes with it.
final class ManualClock: Sendable {
    private let milliseconds = Mutex<Int64>(1_800_000_000_000)

    var now: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) ?? .systemNow }

    func advance(seconds: Int64) { milliseconds.withLock { $0 += seconds * 1000 } }

    /// What waits, waits for real: nothing here waits for the clock.
    var clock: VaultClock {
        VaultClock(now: { self.now }, bootTime: { UInt64(self.milliseconds.withLock { $0 }) })
    }
}

/// A vault on a scripted server, and a way into it: opened here, or by an agent in this process behind a real socket.
final class Fixture: Sendable {
    let directory: String
    let location: VaultLocation
    let time = ManualClock()
    let server = RotatingServer()
    /// The vault that the test itself looks into.
    let vault: Vault
    let agent: Agent
    let held: HeldVault
    let broker: any VaultBroker
    private let listener: AgentListener?

    init(_ way: Way = .local, settings: AgentSettings = AgentSettings()) async throws {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        directory = "\(base)/vault-agent-\(UUID().uuidString.prefix(8))"
        try PrivateFiles.makeDirectory(directory)
        location = VaultLocation(
            directory: "\(directory)/vault",
            stateBase: "\(directory)/state",
            configuration: "\(directory)/config",
            runtimeBase: "\(directory)/run"
        )
        let cheap = PasswordHash(passes: 1, memoryBytes: 8192)
        let custodians = CustodianSet(
            asking: { _ throws(CustodyError) in
                do throws(CryptoError) { return SharedSecret(try SecretBytes(Array("correct horse".utf8))) } catch {
                    throw CustodyError(.unavailable, error.message)
                }
            },
            keyring: KeyringClient(program: "\(directory)/no-keyring", environment: [:]),
            isInteractive: false,
            limits: DerivationLimits(minimum: cheap),
            showRecoveryCode: { _ throws(CustodyError) in }
        )
        vault = try await Vault.create(
            location,
            slots: [NewSlot(.passphrase, derivation: cheap)],
            custodians: custodians
        )
        let local = try await Self.open(vault, server, time.clock)
        agent = Agent(
            version: "0.0.0-test",
            clock: time.clock,
            notices: LoginNotices(nil, environment: [:])
        ) { _, _ throws(VaultError) in }
        held = HeldVault(local, settings: settings, clock: time.clock)
        guard way == .agent else {
            broker = local
            listener = nil
            return
        }
        _ = await agent.hold(held)
        let path = "\(directory)/agent.sock"
        let listener = AgentListener(agent) {}
        listener.listen(try AgentSeat.makeSocket(path))
        self.listener = listener
        broker = AgentBroker(AgentClient(path: path), vault: location.directory)
    }

    /// The vault, opened with its data key alone, as by an agent.
    static func open(_ vault: Vault, _ server: RotatingServer, _ clock: VaultClock) async throws -> LocalBroker {
        let key = try vault.withDataKey { (key) throws(CryptoError) in SharedSecret(try key.copy()) }
        return LocalBroker(
            try await Vault.open(vault.location, under: key, clock: clock),
            http: server,
            clock: clock,
            backoff: Backoff(jitter: { 1 }),
            secondOwner: .sourceFile
        )
    }

    /// Has the agent hold the vault, where it has let go of it.
    func unlock() async throws {
        guard await agent.status(of: location.directory).holds != true else { return }
        let local = try await Self.open(vault, server, time.clock)
        _ = await agent.hold(HeldVault(local, settings: AgentSettings(), clock: time.clock))
    }

    deinit {
        listener?.stop()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// An entry of that age in seconds, refreshable with what the server takes.
    @discardableResult
    func insert(
        _ name: String = "work",
        lifetime: Int64 = 3600,
        age: Int64 = 7200,
        idToken: String? = nil,
        _ change: (inout EntrySummary) -> Void = { _ in }
    ) async throws -> EntryName {
        let name = try EntryName(parsing: name)
        var summary = EntrySummary(name: name, createdAt: time.now)
        summary.tokenEndpoint = "https://server.example/token"
        summary.clientID = "client"
        summary.clientAuthentication = "none"
        summary.issuedAt = Timestamp(seconds: time.now.seconds - age)
        summary.expiry = .known(try #require(Timestamp(seconds: time.now.seconds - age + lifetime)))
        change(&summary)
        var secrets = try EntrySecrets()
        try secrets.set(.accessToken, to: secret("access-0"))
        try secrets.set(.refreshToken, to: secret(server.current))
        if let idToken { try secrets.set(.idToken, to: secret(idToken)) }
        try await vault.insert(summary, secrets)
        return name
    }

    func token(
        _ name: EntryName,
        _ part: TokenPart = .accessToken,
        _ change: (inout TokenRequirements) -> Void = { _ in }
    ) async throws -> String? {
        var requirements = TokenRequirements()
        change(&requirements)
        return try await broker.token(for: name, requirements, part).value.text
    }

    func refreshToken(of name: EntryName) async throws -> String? {
        try await vault.read(name).secrets.withField(.refreshToken) { String(decoding: $0, as: UTF8.self) }
    }
}

/// An authorization server that rotates refresh tokens: a stand-in, because a real one does not hold an answer back, or
/// refuse, when a test says so.
final class RotatingServer: HTTPExchange {
    struct State {
        var generation = 0
        var current = "refresh-0"
        /// The status of the next answer, where it is not to be a token.
        var refusals: [Int] = []
        var requests: [String] = []
        var isHolding = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    let state = Mutex(State())

    var current: String { state.withLock { $0.current } }
    var requests: Int { state.withLock { $0.requests.count } }

    func release() {
        let held = state.withLock { state in
            state.isHolding = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        do { try request.beforeSending?() } catch { throw HTTPFailure(wasSent: false, "\(error)") }
        let form = request.body?.withSecret { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } } ?? ""
        state.withLock { $0.requests.append(form) }
        if state.withLock({ $0.isHolding }) {
            await withCheckedContinuation { continuation in state.withLock { $0.held.append(continuation) } }
        }
        return state.withLock { state in
            if !state.refusals.isEmpty {
                let status = state.refusals.removeFirst()
                return Self.answer(status, status == 400 ? #"{"error":"invalid_grant"}"# : "{}")
            }
            if form.contains("token_type_hint=") { return Self.answer(200, "") }
            guard form.contains("refresh_token=\(state.current)") else {
                return Self.answer(400, #"{"error":"invalid_grant"}"#)
            }
            state.generation += 1
            state.current = "refresh-\(state.generation)"
            let token = "\"access_token\":\"access-\(state.generation)\",\"refresh_token\":\"\(state.current)\""
            return Self.answer(200, "{\(token),\"token_type\":\"bearer\",\"expires_in\":3600}")
        }
    }

    private static func answer(_ status: Int, _ body: String) -> HTTPResponse {
        guard let bytes = try? secret(body) else { fatalError("no memory for a test's answer") }
        return HTTPResponse(status: status, fields: [(name: "Content-Type", value: "application/json")], body: bytes)
    }
}

func secret(_ text: String) throws(CryptoError) -> SharedSecret {
    SharedSecret(try SecretBytes(Array(text.utf8)))
}

/// Text as a secret on its way.
func text(_ text: String) -> SecretText {
    let bytes = Array(text.utf8)
    return SecretText(count: bytes.count) { $0.copyBytes(from: bytes) }
}
