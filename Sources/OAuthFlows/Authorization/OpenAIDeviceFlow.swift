internal import StrictJSON
package import VaultAPI
internal import VaultCrypto

/// OpenAI's own device login, which is not RFC 8628: the code is confirmed for an authorization code, and that is
/// exchanged as one from a browser.
package struct OpenAIDeviceFlow: AuthorizationFlow {
    /// Which of its two forms.
    package enum Variant: Sendable, Hashable, CaseIterable {
        case platform
        /// As Codex does it.
        case codex

        fileprivate func base(_ issuer: String) -> String {
            self == .platform ? "\(issuer)/deviceauth" : "\(issuer)/api/accounts/deviceauth"
        }

        fileprivate func page(_ issuer: String) -> String {
            self == .platform ? "https://platform.openai.com/device" : "\(issuer)/codex/device"
        }

        fileprivate func redirect(_ issuer: String) -> String {
            self == .platform ? LoopbackRedirect.openAI.uri(port: 1455) : "\(issuer)/deviceauth/callback"
        }
    }

    /// How long a person may take.
    private static let longest: Duration = .seconds(15 * 60)

    private let variant: Variant
    private let issuer: String
    private let requests: ClientRequests
    private let lifetime: Duration

    /// - Parameters:
    ///   - issuer: `https://auth.openai.com`, without a slash at its end.
    ///   - requests: To the token endpoint, `{issuer}/oauth/token`.
    ///   - timeout: How long a person may take, where that is to be less than 15 minutes.
    package init(
        _ variant: Variant,
        issuer: String = "https://auth.openai.com",
        requests: ClientRequests,
        timeout: Duration? = nil
    ) {
        (self.variant, self.issuer, self.requests) = (variant, issuer, requests)
        lifetime = min(timeout ?? Self.longest, Self.longest)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        try await grant(asking: interaction, on: requests.clock.pauses)
    }

    private func grant(asking interaction: Interaction, on clock: some Clock<Duration>) async throws(VaultError)
        -> TokenGrant
    {
        let start = clock.now
        let page = try DeviceAuthorizationResponse.checked(variant.page(issuer))
        let tokenURL = try EndpointURL("\(variant.base(issuer))/token", as: "OpenAI's device token endpoint")
        let device = try await authorize()
        await interaction.show(
            .device(userCode: device.userCode, verificationURL: page, completeURL: nil, expiresIn: lifetime)
        )
        let body = try Self.json([("device_auth_id", device.id), ("user_code", device.userCode)])
        // Who has it has the code that the person confirms.
        let redaction = try Self.redaction(device.id)
        let polling = DevicePolling(interval: device.interval, lifetime: lifetime)
        return try await polling.run(on: clock, from: start) { () async throws(VaultError) in
            let response: HTTPResponse
            do {
                response = try await post(body, to: tokenURL)
            } catch {
                if Task.isCancelled { throw .loginInterrupted }
                return .unanswered
            }
            return try await step(response, redaction)
        }
    }

    private struct Device: Sendable {
        let id: String
        let userCode: String
        let interval: Duration
    }

    private func authorize() async throws(VaultError) -> Device {
        let url = try EndpointURL("\(variant.base(issuer))/usercode", as: "OpenAI's user code endpoint")
        let body = try Self.json([("client_id", requests.request.client.id)])
        let response: HTTPResponse
        do {
            response = try await post(body, to: url)
        } catch {
            if Task.isCancelled { throw .loginInterrupted }
            throw VaultError(.temporary, error.message, hint: "try again")
        }
        guard response.status != 404 else {
            throw VaultError(
                .configuration,
                "OpenAI does not offer the device login to this client or account (status 404)",
                hint: "enable device logins in ChatGPT's security settings, or log in by the browser"
            )
        }
        let document = response.json("OpenAI's device authorization response")
        guard (200..<300).contains(response.status) else {
            throw VaultError.refusal(response, "OpenAI's device authorization request", Redaction())
        }
        guard let root = document?.root, let id = try root.fact("device_auth_id"),
            let code = try DeviceAuthorizationResponse.userCode(root, "user_code", "usercode")
        else { throw VaultError(.temporary, "OpenAI's device authorization response lacks its id or its code") }
        let interval = DeviceAuthorizationResponse.seconds(root["interval"]) ?? DevicePolling.defaultInterval
        return Device(id: id, userCode: code, interval: interval)
    }

    /// 2xx with a code is done; 2xx without, 403, 404 and 428 are pending; all else is an error.
    private func step(
        _ response: HTTPResponse,
        _ redaction: Redaction
    ) async throws(VaultError) -> DevicePolling.Step {
        let document = response.json("OpenAI's device token response")
        switch response.status {
        case 403, 404, 428: return .pending
        case 200..<300:
            guard let root = document?.root, let code = try root.token("authorization_code")?.secret() else {
                return .pending
            }
            let verifier = try Self.verifier(root)
            let shared = SharedSecret(code)
            let reply = await requests.ask { endpoint, request in
                await endpoint.authorizationCode(
                    shared,
                    verifier: verifier,
                    redirectURI: variant.redirect(issuer),
                    request
                )
            }
            if Task.isCancelled { throw .loginInterrupted }
            return .done(try requests.grant(of: reply))
        default: throw VaultError.refusal(response, "OpenAI's device login", redaction)
        }
    }

    private func post(_ body: SharedSecret, to url: EndpointURL) async throws(HTTPFailure) -> HTTPResponse {
        var request = HTTPRequest(.post, url)
        request.fields = [("Content-Type", "application/json"), ("Accept", "application/json")]
        request.body = body
        return try await requests.http.send(request)
    }

    private static func redaction(_ id: String) throws(VaultError) -> Redaction {
        do {
            return Redaction([SharedSecret(try SecretBytes(Array(id.utf8)))])
        } catch { throw VaultError(.failed, "no memory for a request: \(error.message)", underlying: error) }
    }

    private static func verifier(_ root: JSONValue) throws(VaultError) -> SharedSecret? {
        guard let value = try root.token("code_verifier") else { return nil }
        return SharedSecret(try value.secret())
    }

    /// An object of strings.
    private static func json(_ members: [(name: String, value: String)]) throws(VaultError) -> SharedSecret {
        let text = jsonObject(members.map { ($0.name, .text($0.value)) })
        do {
            return SharedSecret(try SecretBytes(Array(text.utf8)))
        } catch { throw VaultError(.failed, "no memory for a request: \(error.message)", underlying: error) }
    }
}
