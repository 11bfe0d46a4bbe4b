import Foundation
import StrictJSON
import TestSupport
import Testing
import VaultAPI

@testable import OAuthFlows

/// Random numbers that are the same for the same seed (SplitMix64).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func pick<Element>(_ all: [Element]) -> Element { all[Int.random(in: 0..<all.count, using: &self)] }
    mutating func isOne(in count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

/// What servers say that nobody has to believe: whatever it is, it is read or refused, and what is read keeps the rules.
///
/// Each runs for the seconds of `VAULT_FUZZ_SECONDS`, 5 where it is not set. A failure names the seed of its input;
/// with that as `VAULT_FUZZ_SEED` the same input comes first.
@Suite(.blocking, .serialized)
struct DiscoveryFuzzTests {
    /// Tries inputs, each with a generator of its own, so that the seed of one is enough to make it again.
    private func fuzz(
        _ what: String,
        atLeast accepted: Int,
        _ attempt: (inout SplitMix) async throws -> Bool
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["VAULT_FUZZ_SECONDS"].flatMap(Double.init) ?? 5
        var seed = environment["VAULT_FUZZ_SEED"].flatMap { UInt64($0) } ?? 20_260_101
        let clock = ContinuousClock()
        let end = clock.now + .seconds(seconds)
        var (tried, taken) = (0, 0)
        repeat {
            var random = SplitMix(state: seed)
            let began = clock.now
            do {
                if try await attempt(&random) { taken += 1 }
            } catch {
                Issue.record("\(what), VAULT_FUZZ_SEED=\(seed): \(error)")
                return
            }
            // None is larger than some KiB: seconds are for a machine that does other things as well.
            if clock.now - began > .seconds(10) {
                Issue.record("\(what), VAULT_FUZZ_SEED=\(seed): took \(clock.now - began)")
                return
            }
            (seed, tried) = (seed &+ 1, tried + 1)
        } while clock.now < end
        // Otherwise it is shown for refusals alone, and those of the first check.
        if tried > 1000 { #expect(taken >= accepted, "\(what): \(taken) of \(tried) were accepted") }
    }

    /// A property that does not hold.
    private struct Violation: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = String(description.prefix(2000)) }
    }

    private func require(_ holds: Bool, _ what: @autoclosure () -> String) throws {
        guard holds else { throw Violation(what()) }
    }

    // MARK: - Mutation

    private static let odd: [UInt8] =
        Array("{}[]\",:\\u0eE+-.9 \n\t=;@#?%/".utf8) + [0, 1, 0x1B, 0x7F, 0x80, 0xC2, 0xE2, 0xED, 0xF4, 0xFF]
    private static let pieces = [
        "\\u0000", "\\u001b[2J", "\\u202e", "\\ud800", "http://127.0.0.1/", "https://10.0.0.1/",
        "https://u@as.example/",
        "https://as.example/#", "https://as.example.evil/", "javascript:alert(1)", "null", "[]", "{}", "1e400", "true",
        "\"issuer\":\"https://evil.example\",", ", scope=\"x\"", "Bearer ", ", DPoP ", "\"\"", "\\\"", "/..", "//", "?",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ]

    private static func mutated(_ text: String, _ random: inout SplitMix) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            switch Int.random(in: 0..<7, using: &random) {
            case 0 where place < bytes.count: bytes[place] = random.pick(odd)
            case 1 where place < bytes.count: bytes.remove(at: place)
            case 2: bytes.insert(random.pick(odd), at: place)
            case 3:
                bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 0...40, using: &random)))
            case 4: bytes.insert(contentsOf: random.pick(pieces).utf8, at: place)
            case 5:
                let end = min(bytes.count, place + Int.random(in: 0...40, using: &random))
                bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            default:
                let end = min(bytes.count, place + 8)
                if place < end { bytes.replaceSubrange(place..<end, with: bytes[place..<end].reversed()) }
            }
        }
        return bytes
    }

    // MARK: - Challenges

    private static let fields = [
        #"Basic realm="x", Bearer error_description="need scope=admin", scope="ok""#,
        #"Bearer realm="\"quoted\"", error="invalid_token", resource_metadata="https://mcp.example/x", scope="a b""#,
        #"Negotiate YWJj==, DPoP algs="ES256 PS256", error="use_dpop_nonce", Digest qop="auth, auth-int", nonce=abc"#,
        "Bearer scope=ok , resource_metadata=https://mcp.example/x",
    ]

    /// A list of challenges by the grammar of RFC 9110 §11.6.1, spaces and empty elements included.
    private static func generatedField(_ random: inout SplitMix) -> String {
        let names = [
            "scope", "error", "realm", "resource_metadata", "ScOpE", "a", "error_description", "x!#$%&'*+-.^_`|~1",
        ]
        let tokens = ["a", "ok", "Bearer", "x-1", "~", "1"]
        func space(_ random: inout SplitMix) -> String { random.pick(["", "", " ", "\t", "  "]) }
        func separator(_ random: inout SplitMix) -> String {
            space(&random) + random.pick([",", ",", ",", ",,", ", ,"]) + space(&random)
        }
        func quoted(_ random: inout SplitMix) -> String {
            let parts = [
                "a", " ", ",", "=", "\\\"", "\\\\", "\\a", "é", "\t", "Bearer scope=x", "https://a.example/x", "😀",
            ]
            return "\"" + (0..<Int.random(in: 0...6, using: &random)).map { _ in random.pick(parts) }.joined() + "\""
        }
        var challenges: [String] = []
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            let scheme = random.pick(["Bearer", "bearer", "DPoP", "Basic", "Digest", "Negotiate", "x-y"])
            switch Int.random(in: 0..<5, using: &random) {
            case 0: challenges.append(scheme)
            case 1:
                let text = random.pick(["YWJj", "a", "-._~+/", "Bearer"])
                challenges.append("\(scheme) \(text)\(random.pick(["", "=", "=="]))")
            default:
                let parameters = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    let value = random.isOne(in: 3) ? random.pick(tokens) : quoted(&random)
                    return random.pick(names) + space(&random) + "=" + space(&random) + value
                }
                challenges.append(
                    "\(scheme) " + parameters.reduce("") { $0.isEmpty ? $1 : $0 + separator(&random) + $1 }
                )
            }
        }
        return challenges.reduce("") { $0.isEmpty ? $1 : $0 + separator(&random) + $1 }
    }

    /// Writes challenges in one way of many.
    private static func rendered(_ challenges: [AuthenticationChallenge]) -> String {
        challenges.map { challenge in
            if let token68 = challenge.token68 { return "\(challenge.scheme) \(token68)" }
            guard !challenge.parameters.isEmpty else { return challenge.scheme }
            let parameters = challenge.parameters.map { parameter in
                let value = parameter.value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
                return "\(parameter.name)=\"\(value)\""
            }
            return "\(challenge.scheme) \(parameters.joined(separator: ", "))"
        }.joined(separator: ", ")
    }

    /// How many there are outside of quotes.
    private static func commas(in field: String) -> Int {
        var (count, isQuoted, isEscaped) = (0, false, false)
        for byte in field.utf8 {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if isQuoted {
                isEscaped = byte == UInt8(ascii: "\\")
            } else if byte == UInt8(ascii: ",") {
                count += 1
            }
        }
        return count
    }

    @Test func challengesOfAnyBytes() async throws {
        try await fuzz("a challenge", atLeast: 100) { random in
            let isGenerated = random.isOne(in: 2)
            let text = isGenerated ? Self.generatedField(&random) : random.pick(Self.fields)
            let field = isGenerated ? text : String(decoding: Self.mutated(text, &random), as: UTF8.self)
            let found: [AuthenticationChallenge]
            do {
                found = try AuthenticationChallenge.parse([field])
            } catch let error as VaultError {
                try require(!isGenerated, "a challenge by the grammar is refused: \(field): \(error.message)")
                try require(error.code == .unsafe && error.isPrintable, "\(error)")
                return false
            }
            let again = try AuthenticationChallenge.parse([Self.rendered(found)])
            try require(again == found, "\(field) is \(found), and written again \(again)")
            // Whatever is told apart has a comma between it.
            let parts = found.map { max($0.parameters.count, 1) }.reduce(0, +)
            try require(Self.commas(in: field) >= parts - 1, "\(field) is \(found)")
            // A list is the same in one field and in several, and beside others.
            let twice = try AuthenticationChallenge.parse([field, "Basic", field])
            try require(twice.count == 2 * found.count + 1, field)
            do {
                guard let challenge = try ResourceChallenge(fields: [field]) else { return true }
                let own = found.filter { ["bearer", "dpop"].contains($0.scheme) }
                try require(!own.isEmpty, field)
                for (name, value) in [("error", challenge.error), ("resource_metadata", challenge.resourceMetadata)] {
                    let values = Set(own.flatMap(\.parameters).filter { $0.name == name }.map(\.value))
                    try require(values == Set([value].compactMap(\.self)), "\(name) of \(field)")
                }
                for scope in challenge.scopes ?? [] {
                    try require(!scope.isEmpty && scope.utf8.allSatisfy { 0x21...0x7E ~= $0 }, "\(scope) of \(field)")
                }
            } catch let error as VaultError {
                try require(error.code == .unsafe && error.isPrintable, "\(error)")
            }
            return true
        }
    }

    /// As long as an answer's head may be, and made to be read many times over.
    @Test(arguments: [
        "a ", "a,", "a=", "a=b,", "a b,", ",", "\"", "a=\"\\", "Bearer a=b, ", "=", "a a=a, a a, ", "Basic YWJj==,",
        " ",
        "a=\"\",", "😀",
    ])
    func aLongChallengeIsReadInNoTime(_ piece: String) throws {
        for size in [16 << 10, 80 << 10] {
            let field = String(repeating: piece, count: size / piece.utf8.count)
            let began = ContinuousClock.now
            for prefix in ["", "Bearer ", "Bearer a=\""] {
                do { _ = try ResourceChallenge(fields: [prefix + field]) } catch {
                    #expect(error.code == .unsafe && error.isPrintable)
                    #expect(error.message.utf8.count < 20_000)
                }
            }
            #expect(ContinuousClock.now - began < .seconds(10))
        }
    }

    // MARK: - JSON

    /// JSON of any kind, the names those that mean something.
    private static func generatedJSON(_ names: [String], _ random: inout SplitMix, depth: Int = 0) -> String {
        func string(_ random: inout SplitMix) -> String {
            let texts = [
                "", "x", "https://as.example/t", "https://mcp.example/a/mcp", "https://mcp.example",
                "https://evil.example/",
                "http://127.0.0.1:1/callback", "S256", "none", "client_secret_basic", "client_secret_post",
                "authorization_code", "refresh_token", "header", "\\u001b[2J", "\\u202e", "\\ud800", "\\u0000", "a b",
                "ä",
                "https://10.0.0.1/x", "https://localhost/x", "http://as.example/x", "https://u@as.example", "0", "1e9",
            ]
            return "\"\(random.pick(texts))\""
        }
        switch Int.random(in: 0..<(depth > 3 ? 5 : 8), using: &random) {
        case 0: return random.pick(["null", "true", "false", "0", "-1", "1e400", "1893456000", "0.5", "-0"])
        case 1...4: return string(&random)
        case 5:
            return "[" + (0..<Int.random(in: 0...3, using: &random)).map { _ in string(&random) }.joined(separator: ",")
                + "]"
        case 6:
            let items = (0..<Int.random(in: 0...3, using: &random)).map { _ in
                generatedJSON(names, &random, depth: depth + 1)
            }
            return "[\(items.joined(separator: ","))]"
        default: return object([:], names, &random, depth: depth + 1)
        }
    }

    /// An object: some members as they should be, others not.
    private static func object(
        _ sound: [String: String],
        _ names: [String],
        _ random: inout SplitMix,
        depth: Int = 0
    ) -> String {
        var members = sound.sorted { $0.key < $1.key }.filter { _ in !random.isOne(in: 12) }
        for _ in 0..<Int.random(in: 0...4, using: &random) {
            let name = random.pick(names)
            let value = generatedJSON(names, &random, depth: depth)
            if let index = members.firstIndex(where: { $0.key == name }) {
                // In its place: a member that stands twice is refused, and nothing behind it is seen.
                if random.isOne(in: 4) { members[index].value = value }
            } else {
                members.append((name, value))
            }
        }
        members.shuffle(using: &random)
        return "{" + members.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }

    private static let serverMembers = [
        "issuer": "\"https://as.example/t\"", "authorization_endpoint": "\"https://as.example/authorize\"",
        "token_endpoint": "\"https://as.example/token\"", "registration_endpoint": "\"https://as.example/register\"",
        "revocation_endpoint": "\"https://as.example/revoke\"", "code_challenge_methods_supported": "[\"S256\"]",
        "scopes_supported": "[\"a\",\"b\"]", "authorization_response_iss_parameter_supported": "true",
        "device_authorization_endpoint": "\"https://as.example/device\"",
        "pushed_authorization_request_endpoint": "\"https://as.example/par\"",
        "token_endpoint_auth_methods_supported": "[\"none\"]",
    ]
    private static let resourceMembers = [
        "resource": "\"https://mcp.example/a/mcp\"", "authorization_servers": "[\"https://as.example/t\"]",
        "scopes_supported": "[\"a\"]", "bearer_methods_supported": "[\"header\"]",
        "dpop_bound_access_tokens_required": "false",
    ]
    private static let registrationMembers = [
        "client_id": "\"i\"", "client_secret": "\"hunter2\"", "client_secret_expires_at": "1893456000",
        "token_endpoint_auth_method": "\"client_secret_post\"", "redirect_uris": "[\"http://127.0.0.1:1/callback\"]",
        "grant_types": "[\"authorization_code\",\"refresh_token\"]",
    ]

    private static func body(_ members: [String: String], _ random: inout SplitMix) -> String {
        guard random.isOne(in: 2) else { return object(members, Array(members.keys).sorted() + ["x"], &random) }
        let text =
            "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
        return String(decoding: mutated(text, &random), as: UTF8.self)
    }

    /// Line 7, by another reading than that of the type itself, and line 8.
    private func requireAllowed(_ url: EndpointURL, _ what: String) throws {
        let parts = URLComponents(string: url.text)
        try require(parts?.scheme?.lowercased() == "https", "\(what): \(url.text)")
        try require(parts?.user == nil && parts?.password == nil && parts?.fragment == nil, "\(what): \(url.text)")
        let host = (parts?.host ?? "").lowercased().filter { $0 != "[" && $0 != "]" }
        try require(host == url.host && !host.isEmpty, "\(what): \(url.text)")
        for near in ["localhost", "127.", "10.", "0.", "192.168.", "169.254.", "::"] {
            try require(!host.hasPrefix(near), "\(what): \(url.text)")
        }
        try require(url.text.utf8.allSatisfy { 0x21...0x7E ~= $0 }, "\(what): \(url.text)")
    }

    @Test func metadataOfAServerOfAnyBytes() async throws {
        try await fuzz("metadata of a server", atLeast: 50) { random in
            let body = Self.body(Self.serverMembers, &random)
            do {
                let http = ScriptedExchange(200, body)
                guard let server = try await ServerMetadata(http: http).fetch(issuer: Sample.issuer) else {
                    return false
                }
                try require(server.issuer.map { Array($0.utf8) } == Array(Sample.issuer.utf8), body)
                for (name, endpoint, _) in server.endpoints {
                    if let endpoint { try requireAllowed(endpoint, "\(name) in \(body)") }
                }
                // What Foundation reads of the same text, where it reads any.
                if let members = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] {
                    try require(members["issuer"] as? String == Sample.issuer, body)
                    try require(
                        server.sendsIssuer
                            == (members["authorization_response_iss_parameter_supported"] as? Bool ?? false),
                        body
                    )
                }
                return true
            } catch let error as VaultError {
                try require([.unsafe, .temporary].contains(error.code), "\(error) for \(body)")
                try require(error.isPrintable, "\(error)")
                return false
            }
        }
    }

    @Test func metadataOfAResourceOfAnyBytes() async throws {
        try await fuzz("metadata of a resource", atLeast: 50) { random in
            let body = Self.body(Self.resourceMembers, &random)
            let http = Places(Sample.pages([Sample.resourcePlace: .json(body)]))
            let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
            if let failure = report.failure {
                try require([.unsafe, .temporary, .configuration].contains(failure.code), "\(failure) for \(body)")
                try require(failure.isPrintable, "\(failure)")
            }
            for step in report.steps {
                if case .refused(let reason) = step.outcome {
                    try require(VaultError(.unsafe, reason).isPrintable, reason)
                }
            }
            guard let resource = report.resource else {
                // Line 3: nobody that it names was spoken to.
                try require(http.asked.allSatisfy { $0.hasPrefix("https://mcp.example/") }, body)
                return false
            }
            try require(
                ["https://mcp.example/a/mcp", "https://mcp.example/a", "https://mcp.example"].contains(
                    resource.resource.hasSuffix("/") ? String(resource.resource.dropLast()) : resource.resource
                ),
                "\(resource.resource) in \(body)"
            )
            if let server = report.server {
                try require(
                    server.issuer == Sample.issuer && resource.authorizationServers.first == Sample.issuer,
                    body
                )
            }
            for url in http.asked { try requireAllowed(EndpointURL(url, as: "what was asked"), body) }
            return report.failure == nil
        }
    }

    @Test func registrationAnswersOfAnyBytes() async throws {
        try await fuzz("the answer to a registration", atLeast: 50) { random in
            let body = Self.body(Self.registrationMembers, &random)
            let status = random.pick([200, 201, 201, 201, 201, 201, 400, 429, 500, 302])
            let http = ScriptedExchange(status, body)
            do {
                let redirect = "http://127.0.0.1:1/callback"
                let registered = try await ClientLineTests.registration(http, authentication: .post).register(
                    redirect: redirect
                )
                try require(status < 300, body)
                let client = registered.client
                try require(!client.id.isEmpty && client.id.utf8.count <= 4096, body)
                try require(VaultError(.unsafe, client.id).isPrintable, body)
                try require((client.secret == nil) == (client.authentication == .none), body)
                try require(client.authentication != .privateKeyJWT, body)
                try require(client.issuer == "https://as.example" && registered.redirect == redirect, body)
                if let secret = client.secret {
                    try require(secret.withBytes { $0.allSatisfy { $0 >= 0x20 && $0 != 0x7F } && $0.count > 0 }, body)
                }
                if let end = registered.secretExpiresAt { try require(end > testTime, body) }
                for remark in registered.remarks { try require(VaultError(.unsafe, remark).isPrintable, remark) }
                if let members = try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] {
                    if let listed = members["redirect_uris"] as? [String] {
                        try require(listed.contains(redirect), body)
                    }
                    if let grants = members["grant_types"] as? [String] {
                        try require(grants.contains("authorization_code"), body)
                    }
                }
                return true
            } catch let error as VaultError {
                try require([.unsafe, .temporary, .configuration, .loginRequired].contains(error.code), "\(error)")
                try require(error.isPrintable && !error.description.contains("hunter2"), "\(error)")
                return false
            }
        }
    }

    /// As large as an answer may be.
    @Test(arguments: [
        "\"x\":1,", "[", "{\"a\":", "\"\\u0041", "\"a\",", "[],", "{},", "-1.0e1,", "\\u", " ", "\"",
    ])
    func aLargeAnswerIsReadInNoTime(_ piece: String) async throws {
        // Names that are all different, and otherwise one piece again and again.
        let count = (1 << 20) / max(piece.utf8.count, 1) / 4
        let rest =
            piece == "\"x\":1," ? (0..<count).map { "\"x\($0)\":1," }.joined() : String(repeating: piece, count: count)
        let began = ContinuousClock.now
        for start in ["", "{\"issuer\":", "{\"authorization_servers\":[", "{\"issuer\":\"https://as.example/t\","] {
            let body = start + rest + "\"y\":1}"
            let error = await #expect(throws: VaultError.self) {
                guard try await ServerMetadata(http: ScriptedExchange(200, body)).fetch(issuer: Sample.issuer) == nil
                else { throw VaultError(.failed, "taken") }
            }
            #expect(error?.isPrintable ?? true)
        }
        #expect(ContinuousClock.now - began < .seconds(30))
    }
}
