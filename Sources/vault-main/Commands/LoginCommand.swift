internal import ArgumentParser
internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Obtain a grant and keep it as oauth:NAME.",
        discussion: """
            Options come first, then CONFIG/oauth/NAME.yaml, then the preset or server that the entry was granted by, \
            then the preset or the known server of that NAME, and last what the server says about itself. An existing \
            grant is replaced only by a new one.
            """
    )

    @Argument(help: "NAME or oauth:NAME.", completion: .entryNames)
    var name: String

    @OptionGroup var options: LoginOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        guard name.kind == .oauth else {
            throw VaultError(.usage, "\(name) is a static secret; nobody logs in by it", hint: "vault set \(name)")
        }
        let saved = "\(context.location.configuration)/oauth/\(name.name).yaml"
        if options.saveConfig, try LoginSettings.read(saved) != nil {
            throw VaultError(
                .configuration,
                "\(printable(saved)) is there already, and --save-config writes over nothing",
                hint: "move it away, or leave out --save-config"
            )
        }
        let broker = try context.broker(try await context.open(), options.connection)
        var resolution = try LoginResolution(context, options, name, broker)
        let resolved = try await resolution.resolve()
        let conversation = LoginConversation(
            context,
            opensBrowser: !options.noBrowser && !context.noInput,
            readsInput: options.paste
        )
        let report: LoginReport
        do {
            report = try await conversation.hold { interaction throws(VaultError) in
                try await broker.login(resolved.plan, by: resolved.flow, asking: interaction)
            }
        } catch { throw error.naming(login: TypedCommand.text) }
        if context.json { try Output.print(.login(report)) }
        let account = report.summary.account.map { " as \($0)" } ?? ""
        context.note("\(name) is logged in\(account); \(report.summary.expirySentence)")
        if case .failed(let reason) = report.oldGrant {
            context.note("the grant it replaces could not be revoked at the server: \(reason)")
        }
        if !report.summary.holds.contains(.refreshToken), report.summary.grantType == nil {
            context.note(
                "the server gave no refresh token: once this token has expired, vault login \(name.name) again"
            )
        }
        if options.saveConfig {
            do throws(VaultError) {
                try SavedLogin(report.summary, resolved).write(to: saved)
            } catch {
                throw VaultError(
                    error.code,
                    "\(name) is logged in, and its settings were not written: \(error.message)",
                    hint: error.hint,
                    underlying: error
                )
            }
            context.note("\(printable(saved)) now says how \(name) was logged in, without any secret of the client")
        }
    }
}

extension SavedLogin {
    /// How a login was made, without any secret.
    ///
    /// By a preset: its name and what fills it in, so that the next login is by the whole of it. A client that the login
    /// registered is left out: it is the entry's, and the next login may have to register another.
    fileprivate init(_ entry: EntrySummary, _ resolved: LoginResolution.Resolved) {
        self.init()
        let plan = resolved.plan
        let options = LoginOptions.earlier(entry.loginOptions)
        scopes = plan.scopes.isEmpty ? nil : plan.scopes
        clientMetadataURL = options?.clientMetadataURL
        if entry.registeredRedirect == nil, clientMetadataURL == nil {
            clientID = entry.clientID
            clientAuthentication = entry.clientAuthentication
        }
        if let preset = resolved.preset {
            provider = preset.name
            if let host = options?.host { parameters["host"] = host }
            if let tenant = options?.tenant { parameters["tenant"] = tenant }
            if preset.parameters.contains(where: { $0.name == "issuer" }) { issuer = entry.issuer }
            return
        }
        resourceURL = options?.url
        issuer = entry.issuer
        authorizationURL = entry.authorizationEndpoint
        tokenURL = entry.tokenEndpoint
        deviceURL = plan.server.deviceAuthorizationEndpoint?.text
        revocationURL = entry.revocationEndpoint
        resource = entry.resource
    }
}

extension Document {
    /// `Schemas/login.schema.json`.
    fileprivate static func login(_ report: LoginReport) -> Document {
        .object([
            ("entry", .listed(report.summary)),
            ("replaced", .bool(report.replaced)),
            ("old_grant", .optional(report.oldGrant?.word)),
        ])
    }
}
