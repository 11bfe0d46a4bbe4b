internal import ArgumentParser
internal import Glibc
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct SetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set",
        abstract: "Keep a static secret, from standard input or a hidden prompt.",
        discussion: "One newline at the end of the input is not part of the secret. An existing secret is replaced."
    )

    @Argument(help: "static:NAME, or NAME for short.", completion: .entryNames)
    var name: String

    @OptionGroup var global: GlobalOptions

    /// What fits into one sealed record with its head.
    private static let limit = 1_000_000

    func run() async throws {
        let context = try Context(global)
        let name = try name.contains(":") ? EntryName(parsing: name) : EntryName(.static, name)
        guard name.kind == .static else {
            throw VaultError(
                .usage,
                "\(name) is a grant; set keeps static secrets",
                hint: "use vault set static:\(name.name), or vault import FILE"
            )
        }
        // The vault opens first: nobody types a secret that cannot be kept. Standard input is only the secret's.
        let broker = try await context.broker()
        let secret = try read(context, name)
        guard secret.count > 0 else {
            throw VaultError(
                .usage,
                "the secret is empty; nothing was changed",
                hint: "pipe it in: printf %s SECRET | vault set \(name)"
            )
        }
        guard secret.count <= Self.limit else {
            throw VaultError(
                .usage,
                "the secret is longer than \(Self.limit) bytes; nothing was changed",
                hint: "keep large files elsewhere"
            )
        }
        let text = secret.withSecret { $0.withUnsafeBytes { SecretText(copying: $0) } }
        let stored = try await broker.put(name, text)
        if context.json {
            try Output.print(.listed(stored))
        } else {
            context.note("\(name) is kept")
        }
    }

    private func read(_ context: Context, _ name: EntryName) throws(VaultError) -> SharedSecret {
        if isatty(STDIN_FILENO) != 1 {
            let all = try SecretInput.readAll(STDIN_FILENO, limit: Self.limit + 2, "the secret")
            return SharedSecret(try SecretInput.withoutFinalNewline(all))
        }
        guard !context.noInput, let terminal = Terminal() else {
            throw VaultError(
                .locked,
                "there is no secret on standard input, and asking is not allowed",
                hint: "pipe the secret in"
            )
        }
        defer { terminal.close() }
        return try terminal.readHidden("Secret for \(name): ")
    }
}
