internal import StrictJSON
package import VaultAPI
internal import VaultCrypto

/// The device authorization grant (RFC 8628): the person confirms a code in a browser anywhere.
package struct DeviceFlow: AuthorizationFlow {
    /// What one login asks for.
    package struct Options: Sendable {
        package var scopes: [String] = []
        package var scopeSeparator = " "
        /// How long a person may take, where that is to be less than the code is good for.
        package var timeout: Duration?

        package init() {}
    }

    private let server: AuthorizationServer
    private let requests: ClientRequests
    private let options: Options

    /// - Parameter server: Its device authorization endpoint may come from `--device-url`: metadata often lacks it.
    package init(
        server: AuthorizationServer,
        requests: ClientRequests,
        options: Options = Options()
    ) {
        (self.server, self.requests, self.options) = (server, requests, options)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        try await grant(asking: interaction, on: requests.clock.pauses)
    }

    private func grant(asking interaction: Interaction, on clock: some Clock<Duration>) async throws(VaultError)
        -> TokenGrant
    {
        guard let endpoint = server.deviceAuthorizationEndpoint else {
            throw VaultError(
                .configuration,
                "the authorization server names no endpoint for device logins",
                hint: "give it with --device-url, or log in by the browser"
            )
        }
        let start = clock.now
        let device = try await authorize(endpoint)
        let lifetime = min(device.lifetime, options.timeout ?? device.lifetime)
        await interaction.show(
            .device(
                userCode: device.userCode,
                verificationURL: device.verificationURL,
                completeURL: device.completeURL,
                expiresIn: lifetime
            )
        )
        let polling = DevicePolling(interval: device.interval, lifetime: lifetime)
        let requests = requests
        return try await polling.run(on: clock, from: start) { () async throws(VaultError) in
            let reply = await requests.ask { endpoint, request in await endpoint.deviceCode(device.code, request) }
            if Task.isCancelled { throw .loginInterrupted }
            guard reply.wasAnswered else { return .unanswered }
            // By the code alone: servers send these with 400, 403 and 404.
            if case .refused(let response) = reply.answer {
                if response.error == "authorization_pending" { return .pending }
                if response.error == "slow_down" { return .slowDown }
            }
            return .done(try requests.grant(of: reply))
        }
    }

    private func authorize(_ endpoint: EndpointURL) async throws(VaultError) -> DeviceAuthorizationResponse {
        var parameters: [(String, String)] = []
        if !options.scopes.isEmpty {
            parameters.append(("scope", options.scopes.joined(separator: options.scopeSeparator)))
        }
        if let resource = requests.request.resource { parameters.append(("resource", resource)) }
        let (response, redaction) = try await requests.post(parameters, to: endpoint)
        let document = response.json("the device authorization response")
        guard response.status == 200, document?.root.has("device_code") == true else {
            throw VaultError.refusal(response, "the device authorization request", redaction)
        }
        return try DeviceAuthorizationResponse(document)
    }
}

/// RFC 8628 §3.2.
struct DeviceAuthorizationResponse: Sendable {
    let code: SharedSecret
    let userCode: String
    let verificationURL: String
    let completeURL: String?
    let lifetime: Duration
    let interval: Duration

    init(_ document: JSONDocument?) throws(VaultError) {
        guard let root = document?.root else {
            throw VaultError(.temporary, "the device authorization response is not well-formed JSON")
        }
        // Facts hold no control character; a terminal is about to show them.
        guard let code = try root.token("device_code")?.secret(), let userCode = try Self.userCode(root, "user_code"),
            // Google says verification_url.
            let url = try Self.shown({ () throws(VaultError) in
                try root.fact("verification_uri", "verification_url")
            })
        else {
            throw VaultError(.temporary, "the device authorization response lacks a code or the page to type it on")
        }
        self.code = SharedSecret(code)
        self.userCode = userCode
        verificationURL = try Self.checked(url)
        completeURL = try Self.shown { () throws(VaultError) in try root.fact("verification_uri_complete") }
            .map { (url) throws(VaultError) in try Self.checked(url) }
        // REQUIRED, and left out by some: then as long as most servers give.
        lifetime = Self.seconds(root["expires_in"]) ?? .seconds(900)
        interval = Self.seconds(root["interval"]) ?? DevicePolling.defaultInterval
    }

    /// A code that a person can read and type.
    static func userCode(_ root: JSONValue, _ names: String...) throws(VaultError) -> String? {
        guard let value = root.first(of: names) else { return nil }
        let code = try shown { () throws(VaultError) in try value.fact() }
        guard (code?.count ?? 0) <= 128 else {
            throw VaultError(.unsafe, "the user code is longer than 128 characters")
        }
        return code
    }

    /// A page that a person may be sent to.
    static func checked(_ url: String) throws(VaultError) -> String {
        let subject = "the verification URL of the device login"
        let shown = try BrowserURL(url, as: subject).text
        // http to anywhere but this machine: whoever sits in between would show the page.
        if !shown.hasPrefix("https://") { _ = try EndpointURL(shown, as: subject) }
        return shown
    }

    /// A number of seconds, or a numeric string of them, in 1...86,400.
    static func seconds(_ value: JSONValue?) -> Duration? {
        guard let value else { return nil }
        let text = value.kind == .number ? value.numberText : (try? value.fact()) ?? ""
        guard let number = Double(text), number > 0 else { return nil }
        return .seconds(min(number, 86_400).rounded(.up))
    }

    private static func shown(_ fact: () throws(VaultError) -> String?) throws(VaultError) -> String? {
        do {
            return try fact()
        } catch { throw VaultError(.unsafe, error.message, hint: "nothing was shown; do not trust this server") }
    }
}
