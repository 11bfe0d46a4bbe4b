internal import AgentClient
internal import ArgumentParser
internal import Providers
internal import VaultAPI
internal import VaultAgent
internal import VaultCore
internal import VaultCrypto

struct UnlockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unlock",
        abstract: "Open the vault with the first slot that works, and leave its key with the agent.",
        discussion: "The agent is started if none runs. vault lock takes the key back."
    )

    @Option(help: ArgumentHelp("Lock it after that time, such as 8h, whatever is done with it.", valueName: "duration"))
    var lifetime: LifetimeArgument?

    @Option(help: ArgumentHelp("Lock it when nobody has used it for that time.", valueName: "duration"))
    var idle: LifetimeArgument?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if lifetime?.seconds == 0 || idle?.seconds == 0 { throw ValidationError("a vault is not unlocked for no time") }
    }

    func run() async throws {
        let context = try Context(global)
        let agent = try AgentStarter(context)
        if lifetime == nil, idle == nil, let held = try await agent.held() {
            context.note("\(context.location.directory) is unlocked already")
            return try print(held, isNew: false, context)
        }
        let settings = try settings(context)
        let vault = try await context.open()
        let client = try await agent.start()
        let key = try vault.withDataKey { (key) throws(VaultError) in
            key.withUnsafeBytes { SecretText(copying: $0).base64 }
        }
        let answer = try await context.ask(client, "unlock", context.unlocking(key) + settings.content)
        guard let held = answer.flatMap({ HeldVaultStatus($0) }) else {
            throw VaultError(.failed, "the agent's answer to unlock lacks what it must hold")
        }
        context.note("\(context.location.directory) is unlocked\(held.limits)")
        try print(held, isNew: true, context)
    }

    private func settings(_ context: Context) throws(VaultError) -> AgentSettings {
        var settings = try AgentSettings.read(context.location.configuration + "/config.yaml")
        if let lifetime { settings.lifetime = .seconds(lifetime.seconds) }
        if let idle { settings.idle = .seconds(idle.seconds) }
        return settings
    }

    private func print(_ held: HeldVaultStatus, isNew: Bool, _ context: Context) throws {
        guard context.json else { return }
        try Output.print(.object([("unlocked_now", .bool(isNew)), ("vault", .held(held))]))
    }
}

extension Context {
    /// What an agent must know of a vault to open it with its key.
    fileprivate func unlocking(_ key: SecretText) -> [(String, WireContent)] {
        let network = ["SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]
        return [
            ("directory", .string(location.directory)), ("state_base", .string(location.stateBase)),
            ("configuration", .string(location.configuration)), ("runtime_base", .optional(location.runtimeBase)),
            ("cache_base", .optional(location.cacheBase)),
            ("data_key_base64", .secret(key)),
            ("network", .object(network.compactMap { name in environment[name].map { (name, .string($0)) } })),
        ]
    }
}

extension HeldVaultStatus {
    /// Until when, for people.
    var limits: String {
        var parts: [String] = []
        if let locksAt { parts.append("until \(locksAt)") }
        if let idleSeconds { parts.append("while it is used at least every \(idleSeconds) s") }
        return parts.isEmpty ? "" : " " + parts.joined(separator: ", ")
    }
}

extension Document {
    /// A vault that an agent holds the key of; `Schemas/held-vault.schema.json`.
    static func held(_ held: HeldVaultStatus) -> Document {
        .object([
            ("vault", .string(held.vault)), ("directory", .string(held.directory)),
            ("unlocked_at", .time(held.unlockedAt)), ("locks_at", .time(held.locksAt)),
            ("idle_seconds", held.idleSeconds.map { .number($0) } ?? .null),
        ])
    }
}
