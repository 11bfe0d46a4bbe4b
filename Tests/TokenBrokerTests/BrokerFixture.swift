import Foundation
import Glibc
import KeyCustody
import PrivateFiles
import Synchronization
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import OAuthFlows
@testable import TokenBroker

/// A clock that stands still until it is told to go on, or somebody waits; boot time goes with it.
final class ManualClock: Clock {
    typealias Instant = ContinuousClock.Instant

    private let milliseconds = Mutex<Int64>(1_800_000_000_000)
    private let waits = Mutex((count: 0, takeTime: true))
    private let start = ContinuousClock.now

    var time: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) ?? .systemNow }
    var now: Instant { start + .milliseconds(milliseconds.withLock { $0 } - 1_800_000_000_000) }
    let minimumResolution = Duration.milliseconds(1)

    /// How often somebody has waited.
    var waitCount: Int { waits.withLock { $0.count } }

    /// From now on waiting ends at once, and no time passes.
    func stopTakingTime() { waits.withLock { $0.takeTime = false } }

    func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let takesTime = waits.withLock { waits in
            waits.count += 1
            return waits.takeTime
        }
        if takesTime { advance(seconds: now.duration(to: deadline) / .seconds(1)) }
        await Task.yield()
    }

    func advance(seconds: Double) { milliseconds.withLock { $0 += Int64(seconds * 1000) } }

    var clock: VaultClock {
        VaultClock(now: { self.time }, bootTime: { UInt64(self.milliseconds.withLock { $0 }) }, pauses: self)
    }
}

/// A vault of its own in memory-backed storage, and a broker on a server that does as it is told.
final class BrokerFixture: Sendable {
    let directory: String
    let location: VaultLocation
    let time = ManualClock()
    let server = ScriptedServer()
    let vault: Vault
    let broker: LocalBroker

    private static let cheap = PasswordHash(passes: 1, memoryBytes: 8192)

    /// - Parameter inDirectory: Whether the vault is a directory of files, which other machines may share.
    init(secondOwner: SecondOwner? = nil, inDirectory: Bool = false) async throws {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : FileManager.default.temporaryDirectory.path
        directory = "\(base)/vault-broker-\(UUID().uuidString)"
        try PrivateFiles.makeDirectory(directory)
        location = VaultLocation(
            directory: "\(directory)/vault",
            stateBase: "\(directory)/state",
            configuration: "\(directory)/config",
            runtimeBase: "\(directory)/run"
        )
        vault = try await Vault.create(
            location,
            in: inDirectory ? .directory(location.directory) : .sqlite,
            slots: [NewSlot(.passphrase, derivation: Self.cheap)],
            custodians: Self.custodians(directory)
        )
        broker = LocalBroker(
            vault,
            http: server,
            clock: time.clock,
            backoff: Backoff(jitter: { 1 }),
            secondOwner: secondOwner
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func custodians(_ directory: String) -> CustodianSet {
        CustodianSet(
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
    }

    /// The vault, opened again as by another process.
    func reopened(acceptingRollback: Bool = false, state: String = "state") async throws -> Vault {
        var location = location
        location.stateBase = "\(directory)/\(state)"
        var options = Vault.Options()
        options.acceptsRollback = acceptingRollback
        return try await Vault.open(location, with: Self.custodians(directory), options: options)
    }

    /// An entry whose access token has run out, refreshable with what the server takes.
    @discardableResult
    func insert(
        _ name: String = "work",
        lifetime: Int64 = 3600,
        age: Int64 = 7200,
        _ change: (inout EntrySummary) -> Void = { _ in }
    ) async throws -> EntryName {
        let name = try EntryName(parsing: name)
        var summary = EntrySummary(name: name, createdAt: time.time)
        summary.tokenEndpoint = "https://server.example/token"
        summary.clientID = "client"
        summary.clientAuthentication = "none"
        summary.issuedAt = Timestamp(seconds: time.time.seconds - age)
        summary.expiry = .known(try #require(Timestamp(seconds: time.time.seconds - age + lifetime)))
        change(&summary)
        var secrets = try EntrySecrets()
        try secrets.set(.accessToken, to: SharedSecret(try SecretBytes(Array("access-0".utf8))))
        try secrets.set(.refreshToken, to: SharedSecret(try SecretBytes(Array(server.current.utf8))))
        try await vault.insert(summary, secrets)
        return name
    }

    func need() -> TokenNeed { TokenNeed(began: time.time) }

    func token(_ name: EntryName, _ need: TokenNeed? = nil) async throws -> String {
        try await broker.ungatedToken(for: name, need ?? self.need()).value.revealed
    }

    func refreshToken(of name: EntryName, in vault: Vault? = nil) async throws -> String? {
        let entry = try await (vault ?? self.vault).read(name)
        return entry.secrets.withField(.refreshToken) { String(decoding: $0, as: UTF8.self) }
    }
}

extension SharedSecret {
    var revealed: String { withSecret { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } } }
}

/// What the server or the network does with one token request.
enum Behaviour: CaseIterable, Hashable {
    case rotate, keep, rotateAndLose, loseBeforeServer, neverSend, unavailable, timeOutRotated, captivePortal
    case redirect, truncated, tooMany, temporarilyUnavailable, invalidClient, invalidScope, invalidRequest, bareRefusal

    /// Whether the server handles the request, so that it spends the token.
    var spends: Bool { [.rotate, .rotateAndLose, .timeOutRotated, .truncated].contains(self) }
}

/// An authorization server that rotates refresh tokens and takes a reused one for theft, with a network in front of it
/// that does what it is told: a stand-in, because a healthy server does none of this on demand.
final class ScriptedServer: HTTPExchange {
    struct State {
        var script: [Behaviour] = []
        var generation = 0
        var current = "refresh-0"
        var spent: Set<String> = []
        var isRevoked = false
        var lifetime = "3600"
        var tokenType = "bearer"
        /// The scope that is granted; empty where the answer does not say.
        var scope = ""
        /// The bodies of those requests.
        var forms: [String] = []
        /// Requests that reached the server or got lost after they were sent, with the token they carried.
        var sent: [String] = []
        var answersLost = 0
        var hold: CheckedContinuation<Void, Never>?
        var holdsNext = false
        /// What happens between the journal and the request; once.
        var beforeSending: (@Sendable () async -> Void)?
    }

    let state = Mutex(State())

    var current: String { state.withLock { $0.current } }
    var requests: Int { state.withLock { $0.sent.count } }

    func script(_ behaviours: Behaviour...) { state.withLock { $0.script += behaviours } }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let behaviour = state.withLock { $0.script.isEmpty ? .rotate : $0.script.removeFirst() }
        if behaviour == .neverSend { throw HTTPFailure(wasSent: false, "connection refused") }
        await state.withLock { $0.beforeSending.take() }?()
        do { try request.beforeSending?() } catch { throw HTTPFailure(wasSent: false, "\(error)") }
        let form = request.body?.revealed ?? ""
        let token = form.split(separator: "&").first { $0.hasPrefix("refresh_token=") }?.dropFirst(14) ?? ""
        if state.withLock({ $0.holdsNext }) {
            await withCheckedContinuation { continuation in state.withLock { $0.hold = continuation } }
        }
        state.withLock {
            $0.sent.append(String(token))
            $0.forms.append(form)
        }
        switch behaviour {
        case .loseBeforeServer: throw HTTPFailure(wasSent: true, "the connection was reset")
        case .unavailable: return Self.answer(503, "text/html", "<h1>Service unavailable</h1>")
        case .captivePortal: return Self.answer(200, "text/html", "<html>Log in to the hotel's network</html>")
        case .redirect: return Self.answer(307, "text/plain", "", [("Location", "https://evil.example/token")])
        case .tooMany: return Self.answer(429, "application/json", "{}", [("Retry-After", "3")])
        case .temporarilyUnavailable: return Self.error(503, "temporarily_unavailable")
        case .invalidClient: return Self.error(401, "invalid_client")
        case .invalidScope: return Self.error(400, "invalid_scope")
        case .invalidRequest: return Self.error(400, "invalid_request")
        case .bareRefusal: return Self.answer(400, "text/plain", "")
        case .rotate, .keep, .rotateAndLose, .timeOutRotated, .truncated, .neverSend: break
        }
        return try state.withLock { (state) throws(HTTPFailure) in
            let asksAnew = form.contains("grant_type=client_credentials")
            guard !state.isRevoked, asksAnew || token == state.current else {
                if state.spent.contains(String(token)) { state.isRevoked = true }
                return Self.error(400, "invalid_grant")
            }
            var refresh = ""
            state.generation += 1
            if behaviour != .keep, !asksAnew {
                state.spent.insert(state.current)
                state.current = "refresh-\(state.generation)"
                refresh = ",\"refresh_token\":\"\(state.current)\""
            }
            let scope = state.scope.isEmpty ? "" : ",\"scope\":\"\(state.scope)\""
            let body =
                "{\"access_token\":\"access-\(state.generation)\",\"token_type\":\"\(state.tokenType)\","
                + "\"expires_in\":\(state.lifetime)\(scope)\(refresh)}"
            switch behaviour {
            case .rotateAndLose, .timeOutRotated:
                state.answersLost += 1
                throw HTTPFailure(wasSent: true, "the connection was closed before the answer")
            case .truncated:
                state.answersLost += 1
                return Self.answer(200, "application/json", String(body.dropLast(9)))
            default: return Self.answer(200, "application/json", body)
            }
        }
    }

    private static func error(_ status: Int, _ code: String) -> HTTPResponse {
        answer(status, "application/json", "{\"error\":\"\(code)\"}")
    }

    private static func answer(
        _ status: Int,
        _ type: String,
        _ body: String,
        _ more: [(String, String)] = []
    ) -> HTTPResponse {
        guard let bytes = try? secret(body) else { fatalError("no memory for a test's answer") }
        let fields = [(name: "Content-Type", value: type)] + more.map { (name: $0.0, value: $0.1) }
        return HTTPResponse(status: status, fields: fields, body: bytes)
    }
}

func secret(_ text: String) throws(VaultError) -> SharedSecret {
    do throws(CryptoError) { return SharedSecret(try SecretBytes(Array(text.utf8))) } catch {
        throw VaultError(.unavailable, error.message)
    }
}

/// The code of what `body` throws, and its message.
func failure(_ body: () async throws -> Void) async -> VaultError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? VaultError
    }
}
