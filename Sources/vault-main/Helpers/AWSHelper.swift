internal import ArgumentParser
internal import OAuthFlows
internal import VaultAPI
internal import VaultCrypto

/// `credential_process` of the AWS CLI and SDKs.
struct AWSHelper: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aws",
        abstract: "Exchange a token for AWS credentials and print them as credential_process wants them.",
        discussion: """
            In ~/.aws/config: credential_process = vault helper aws NAME. The entry says by aws_role_arn and aws_region \
            which role its id token is exchanged for, or by aws_sso_account_id, aws_sso_role_name and aws_region which one \
            its access token of AWS IAM Identity Center gives. What AWS answers is kept nowhere.
            """
    )

    @Argument(help: "NAME or oauth:NAME.")
    var name: String

    @Option(help: ArgumentHelp("Ask there instead of at AWS's own address of the region.", valueName: "url"))
    var endpoint: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if global.json { throw ValidationError("the output is JSON of AWS's own kind; leave out --json") }
    }

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let endpoint = try endpoint.map { (url) throws(VaultError) in try EndpointURL(url, as: "--endpoint") }
        let broker = try await context.broker(connection)
        let exchange = try AWSExchange(try await broker.summary(of: name))
        let request: HTTPRequest
        switch exchange.kind {
        case .role:
            let token = try await IdentityToken.current(of: name, broker, context)
            request = try exchange.request(with: token.value, at: endpoint)
        case .identityCenter:
            let token = try await broker.token(for: name, TokenRequirements(began: ProcessTimes.began), .accessToken)
            try token.requireUnbound(name)
            for note in token.notes { context.note(note) }
            request = try exchange.request(with: token.value, at: endpoint)
        }
        let credentials = try await exchange.credentials(try context.http(connection), request)
        var members: [(String, Document)] = [
            ("Version", .number(1)),
            ("AccessKeyId", .secret(credentials.keyID)),
            ("SecretAccessKey", .secret(credentials.secretKey)),
            ("SessionToken", .secret(credentials.sessionToken)),
        ]
        // Without it the SDKs take them for ones that do not expire.
        members.append(("Expiration", .string(credentials.expiration.description)))
        try Output.print(.object(members))
    }
}
