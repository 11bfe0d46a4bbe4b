import Synchronization
import VaultAPI

@testable import OAuthFlows

/// What stands at one URL.
struct Page: Sendable {
    var status = 200
    var fields: [(name: String, value: String)] = []
    var body = ""
    /// Set where there is no answer at all.
    var failure: HTTPFailure?

    static func json(_ body: String) -> Page { Page(body: body) }
    static func status(_ status: Int, _ body: String = "") -> Page { Page(status: status, body: body) }
    static func unauthorized(_ challenge: String...) -> Page {
        Page(status: 401, fields: challenge.map { ("WWW-Authenticate", $0) })
    }
    static func redirect(_ location: String, _ status: Int = 302) -> Page {
        Page(status: status, fields: [("Location", location)])
    }
    static let broken = Page(failure: HTTPFailure(wasSent: true, "the connection was closed"))
}

/// A network: answers by URL, with 404 where nothing is, and keeps what it was asked.
final class Places: HTTPExchange {
    private let pages: [String: Page]
    private let reaches: [String: Reach]
    private let log = Mutex<[HTTPRequest]>([])

    /// - Parameter reaches: How far away the addresses of a host are, where that is not what its name says.
    init(_ pages: [String: Page], reaches: [String: Reach] = [:]) { (self.pages, self.reaches) = (pages, reaches) }

    var requests: [HTTPRequest] { log.withLock { $0 } }
    var asked: [String] { requests.map(\.url.text) }

    func reach(of url: EndpointURL) async throws(HTTPFailure) -> FoundReach {
        guard let reach = reaches[url.host] else { return FoundReach(reach: url.reach, isByAddress: false) }
        return FoundReach(reach: reach, isByAddress: true)
    }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let found = try await reach(of: request.url)
        guard found.reach >= request.url.leastReach else {
            throw HTTPFailure(wasSent: false, "\(request.url.host) is too near", isRefusal: true)
        }
        log.withLock { $0.append(request) }
        let page = pages[request.url.text] ?? .status(404)
        if let failure = page.failure { throw failure }
        return HTTPResponse(status: page.status, fields: page.fields, body: secret(page.body))
    }
}

/// A resource and its authorization server as they should be; each test changes something of it.
enum Sample {
    static let resource = "https://mcp.example/a/mcp"
    static let resourcePlace = "https://mcp.example/.well-known/oauth-protected-resource/a/mcp"
    static let rootPlace = "https://mcp.example/.well-known/oauth-protected-resource"
    static let issuer = "https://as.example/t"
    static let serverPlace = "https://as.example/.well-known/oauth-authorization-server/t"

    static func resourceMetadata(
        _ resource: String = resource,
        servers: [String] = [issuer],
        _ more: String = ""
    ) -> String {
        let servers = servers.map { "\"\($0)\"" }.joined(separator: ",")
        return #"{"resource":"\#(resource)","authorization_servers":[\#(servers)]\#(more)}"#
    }

    static func serverMetadata(_ issuer: String = issuer, _ more: String = "") -> String {
        #"{"issuer":"\#(issuer)","authorization_endpoint":"https://as.example/authorize","#
            + #""token_endpoint":"https://as.example/token","code_challenge_methods_supported":["S256"]\#(more)}"#
    }

    static var pages: [String: Page] {
        [
            resource: .unauthorized("Bearer"), resourcePlace: .json(resourceMetadata()),
            serverPlace: .json(serverMetadata()),
        ]
    }

    /// The pages above, some of them others.
    static func pages(_ changes: [String: Page?]) -> [String: Page] {
        var pages = pages
        for (url, page) in changes { pages[url] = page }
        return pages
    }

    static func server() -> AuthorizationServer {
        var server = AuthorizationServer(issuer: "https://as.example")
        server.authorizationEndpoint = url("https://as.example/authorize")
        server.tokenEndpoint = url("https://as.example/token")
        server.registrationEndpoint = url("https://as.example/register")
        server.codeChallengeMethods = ["S256"]
        return server
    }
}

/// One login with a real listener, a scripted server, and a person who does what the test says.
struct Visit: Sendable {
    var server = Sample.server()
    var client = OAuthClient(id: "client-1", authentication: .none)
    var options = BrowserFlow.Options()
    var registersClient = false
    var resource: String?
    /// What is registered with, where a client is.
    var authentication = ClientAuthenticationMethod.none

    struct Outcome: Sendable {
        let result: Result<TokenGrant, VaultError>
        let script: FlowScript
        let screen: Screen
        let seen: BrowserFlowTests.Seen?

        var error: VaultError? {
            guard case .failure(let error) = result else { return nil }
            return error
        }
        /// The requests to the endpoint of that name.
        func requests(_ path: String) -> [FlowScript.Request] {
            script.requests.filter { $0.url == "https://as.example/\(path)" }
        }
    }

    /// With a person who agrees at once.
    func go(_ steps: [FlowScript.Step] = [.answer(200, grantJSON)]) async throws -> Outcome {
        try await go(steps) { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
    }

    func go(
        _ steps: [FlowScript.Step] = [.answer(200, grantJSON)],
        onRequest: @escaping @Sendable (FlowScript.Request) async -> Void = { _ in },
        person: @escaping @Sendable (BrowserFlowTests.Seen, Screen) async -> Void
    ) async throws -> Outcome {
        let acting = Mutex<Task<Void, Never>?>(nil)
        let screen = Screen { prompt, screen in
            let seen = BrowserFlowTests.Seen(prompt)
            acting.withLock { $0 = Task { await person(seen, screen) } }
        }
        let script = FlowScript(steps, onRequest: onRequest)
        var requests = try clientRequests(script, on: StandingClock())
        requests.request.client = client
        requests.request.resource = resource
        var registration: ClientRegistration?
        if registersClient, let endpoint = server.registrationEndpoint {
            registration = ClientRegistration(
                at: endpoint,
                of: server,
                for: .browser,
                authentication: authentication,
                scopes: options.scopes,
                http: script,
                clock: stoppedClock
            )
        }
        let flow = BrowserFlow(server: server, requests: requests, options: options, registration: registration)
        let result: Result<TokenGrant, VaultError>
        do { result = .success(try await flow.grant(asking: screen.interaction)) } catch { result = .failure(error) }
        await acting.withLock { $0 }?.value
        let seen = screen.prompts.first.map { BrowserFlowTests.Seen($0) }
        return Outcome(result: result, script: script, screen: screen, seen: seen)
    }
}

extension VaultError {
    /// Message and hint, as far as a terminal would act upon them.
    var isPrintable: Bool {
        "\(message)\(hint ?? "")".unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: false
            default: true
            }
        }
    }
}
