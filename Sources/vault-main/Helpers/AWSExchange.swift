internal import OAuthFlows
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A token given for AWS credentials of one role.
struct AWSExchange {
    /// By which of the two services.
    enum Kind {
        /// STS, AssumeRoleWithWebIdentity.
        case role(arn: String)
        /// IAM Identity Center, GetRoleCredentials.
        case identityCenter(account: String, role: String)
    }

    let kind: Kind
    private let region: String
    private let name: EntryName

    /// - Throws: `.configuration` where the entry does not say which role.
    init(_ entry: EntrySummary) throws(VaultError) {
        name = entry.name
        let facts = entry.metadata
        let region = facts["aws_region"]
        if let arn = facts["aws_role_arn"], let region {
            kind = .role(arn: arn)
            self.region = region
            try require("aws_role_arn", arn, isRole(arn))
        } else if let account = facts["aws_sso_account_id"], let role = facts["aws_sso_role_name"], let region {
            kind = .identityCenter(account: account, role: role)
            self.region = region
            try require("aws_sso_account_id", account, account.utf8.count == 12 && account.utf8.allSatisfy(isDigit))
            try require(
                "aws_sso_role_name",
                role,
                (1...64).contains(role.utf8.count) && role.utf8.allSatisfy(isRoleByte)
            )
        } else {
            let given = entry.name.name
            throw VaultError(
                .configuration,
                "\(entry.name) does not say which role it is to be exchanged for",
                hint: "vault edit \(given) --meta aws_role_arn=… --meta aws_region=… "
                    + "(with IAM Identity Center: aws_sso_account_id, aws_sso_role_name and aws_region)"
            )
        }
        // It becomes a part of a host's name.
        let isRegion =
            (1...32).contains(self.region.utf8.count) && self.region.utf8.first.map(isLetter) == true
            && self.region.utf8.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
        try require("aws_region", self.region, isRegion)
    }

    private func require(_ key: String, _ value: String, _ isSound: Bool) throws(VaultError) {
        guard !isSound else { return }
        throw VaultError(
            .configuration,
            "the \(key) of \(name) is none: “\(Diagnostics.oneLine(String(value.prefix(100))))”",
            hint: "vault edit \(name.name) --meta \(key)=…"
        )
    }

    /// The request that gives `token` for credentials.
    func request(with token: SecretText, at endpoint: EndpointURL?) throws(VaultError) -> HTTPRequest {
        // Outside China all partitions that the public can use share one domain.
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        switch kind {
        case .role(let arn):
            let url: EndpointURL
            if let endpoint {
                url = endpoint
            } else {
                url = try EndpointURL("https://sts.\(region).\(domain)/", as: "STS")
            }
            var request = HTTPRequest(.post, url)
            request.fields = [
                ("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "text/xml"),
            ]
            do throws(CryptoError) {
                var form = try FormBody()
                try form.add("Action", "AssumeRoleWithWebIdentity")
                try form.add("Version", "2011-06-15")
                try form.add("RoleArn", arn)
                try form.add("RoleSessionName", sessionName)
                try form.add(
                    "WebIdentityToken",
                    SharedSecret(
                        try token.withUnsafeBytes { (bytes) throws(CryptoError) in
                            try SecretBytes(copying: bytes)
                        }
                    )
                )
                request.body = try form.finish()
            } catch {
                throw VaultError(.unavailable, error.message)
            }
            return request
        case .identityCenter(let account, let role):
            var root = endpoint?.withoutQuery ?? "https://portal.sso.\(region).\(domain)"
            while root.hasSuffix("/") { root.removeLast() }
            let path = "\(root)/federation/credentials?role_name=\(formEncoded(role))&account_id=\(account)"
            var request = HTTPRequest(.get, try EndpointURL(path, as: "IAM Identity Center"))
            guard let text = token.text, text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                throw VaultError(.unsafe, "\(name) holds characters that no header may carry")
            }
            request.fields = [("x-amz-sso_bearer_token", text), ("Accept", "application/json")]
            return request
        }
    }

    /// Who did it, in CloudTrail: 2 to 64 characters, all of which an entry's name may have.
    private var sessionName: String { String("vault-\(name.name)".prefix(64)) }

    /// Sends it and reads the answer.
    func credentials(
        _ http: any HTTPExchange,
        _ request: HTTPRequest
    ) async throws(VaultError) -> AWSCredentials {
        let response: HTTPResponse
        do throws(HTTPFailure) {
            response = try await http.send(request)
        } catch {
            throw VaultError(error.isRefusal ? .unsafe : .temporary, error.message, underlying: error)
        }
        guard response.status == 200 else { throw refusal(response, at: request.url) }
        switch kind {
        case .role: return try AWSCredentials(sts: response.body)
        case .identityCenter: return try AWSCredentials(identityCenter: response.body)
        }
    }

    /// What an answer amounts to that gives nothing; its text stays out, since it may quote what was sent.
    private func refusal(_ response: HTTPResponse, at url: EndpointURL) -> VaultError {
        let code = errorCode(response)
        let what =
            "\(url.authority) gives no credentials for \(name): status \(response.status)"
            + (code.map { ", \($0)" } ?? "")
        if response.status >= 500 || response.status == 429 || code?.hasPrefix("Throttling") == true
            || code == "IDPCommunicationError" || code == "TooManyRequestsException"
        {
            return VaultError(.temporary, what, hint: "try again later")
        }
        switch code {
        case "ExpiredTokenException", "ExpiredToken", "InvalidIdentityToken", "InvalidIdentityTokenException",
            "IDPRejectedClaim", "UnauthorizedException":
            return VaultError(.loginRequired, what, hint: "vault login \(name.name)")
        case _ where response.status == 401: return VaultError(.loginRequired, what, hint: "vault login \(name.name)")
        case _ where (300..<400).contains(response.status):
            return VaultError(.unsafe, "\(what); redirects are not followed with a token in hand")
        default:
            return VaultError(
                .configuration,
                what,
                hint: "the role's trust policy, aws_role_arn and aws_region (vault show \(name)) must fit together"
            )
        }
    }

    /// The name of the error, where it is one word.
    private func errorCode(_ response: HTTPResponse) -> String? {
        var code: String?
        switch kind {
        case .role:
            let error = try? XMLText(response.body, subject: "the answer").text("ErrorResponse", "Error", "Code")
            code = error?.withSecret { $0.withUnsafeBytes { String(validating: $0, as: UTF8.self) } }
        case .identityCenter:
            // `x-amzn-ErrorType: ResourceNotFoundException:http://…` or `__type` in the body.
            let body = try? JSONDocument(response.body, subject: "the answer").root.fact("__type")
            code = response.values(of: "x-amzn-ErrorType").first ?? body
            code = code?.split(separator: ":").first?.split(separator: "#").last.map(String.init)
        }
        guard let code, (1...64).contains(code.utf8.count), code.utf8.allSatisfy({ isLetter($0 | 0x20) || isDigit($0) })
        else { return nil }
        return code
    }
}

/// What AWS gives.
struct AWSCredentials {
    let keyID: SharedSecret
    let secretKey: SharedSecret
    let sessionToken: SharedSecret
    let expiration: Timestamp

    private static let subject = "the answer of AWS"

    /// AssumeRoleWithWebIdentity's answer.
    init(sts body: SharedSecret) throws(VaultError) {
        let xml = try XMLText(body, subject: Self.subject)
        func member(_ name: String) throws(VaultError) -> SharedSecret {
            let path = ["AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult", "Credentials", name]
            guard let value = try xml.text(path), isSound(value) else {
                throw VaultError(.temporary, "\(Self.subject) has no \(name) that is one")
            }
            return value
        }
        keyID = try member("AccessKeyId")
        secretKey = try member("SecretAccessKey")
        sessionToken = try member("SessionToken")
        let end = try member("Expiration").withSecret { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        guard let end = Timestamp(rfc3339: end) else {
            throw VaultError(.temporary, "\(Self.subject) has an Expiration that is no time")
        }
        expiration = end
    }

    /// GetRoleCredentials' answer.
    init(identityCenter body: SharedSecret) throws(VaultError) {
        let document: JSONDocument
        do throws(VaultError) { document = try JSONDocument(body, subject: Self.subject) } catch {
            throw VaultError(.temporary, error.message)
        }
        let members = document.root["roleCredentials"]
        func member(_ name: String) throws(VaultError) -> SharedSecret {
            guard let value = try? members?.token(name) else {
                throw VaultError(.temporary, "\(Self.subject) has no \(name) that is one")
            }
            return SharedSecret(try value.secret())
        }
        keyID = try member("accessKeyId")
        secretKey = try member("secretAccessKey")
        sessionToken = try member("sessionToken")
        guard let end = members?["expiration"], end.kind == .number,
            let end = DecimalTime.instant(end.numberText, .milliseconds)
        else { throw VaultError(.temporary, "\(Self.subject) has an expiration that is no time") }
        expiration = end
    }
}

/// Whether it is visible ASCII, which all members of credentials are.
private func isSound(_ secret: SharedSecret) -> Bool {
    secret.withBytes { !$0.isEmpty && $0.allSatisfy { $0 > 32 && $0 < 127 } }
}

/// `arn:PARTITION:iam::ACCOUNT:role/PATH`.
private func isRole(_ arn: String) -> Bool {
    let parts = arn.split(separator: ":", omittingEmptySubsequences: false)
    return parts.count == 6 && arn.utf8.count <= 2048 && parts[0] == "arn" && parts[2] == "iam" && parts[3].isEmpty
        && parts[1].utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "-") } && parts[4].utf8.count == 12
        && parts[4].utf8.allSatisfy(isDigit) && parts[5].hasPrefix("role/") && parts[5].utf8.count > 5
        && parts[5].utf8.allSatisfy { isRoleByte($0) || $0 == UInt8(ascii: "/") }
}

/// `[\w+=,.@-]` of IAM's names.
private func isRoleByte(_ byte: UInt8) -> Bool {
    isLetter(byte | 0x20) || isDigit(byte) || Array("_+=,.@-".utf8).contains(byte)
}

private func isLetter(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }

private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
