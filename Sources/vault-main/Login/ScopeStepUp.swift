internal import OAuthFlows
internal import PrivateFiles
internal import Synchronization
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

/// Logs in once more, for what is held and what a resource asks for beside it.
///
/// What is held is asked for again, so that nothing that worked stops working. A resource that is never content leads into
/// no circle: there are three authorizations for it in all, the login included.
final class ScopeStepUp: Sendable {
    private static let mostAuthorizations = 3

    private let context: Context
    private let broker: LocalBroker
    private let name: EntryName
    private let connection: ConnectionOptions
    private let opensBrowser: Bool
    /// Those of this process that came to nothing; the others are counted in the entry.
    private let failures = Mutex(0)

    init(
        _ context: Context,
        _ broker: LocalBroker,
        _ name: EntryName,
        _ connection: ConnectionOptions,
        opensBrowser: Bool
    ) {
        (self.context, self.broker, self.name, self.connection) = (context, broker, name, connection)
        self.opensBrowser = opensBrowser && !context.noInput
    }

    /// A scope as an argument; one with a hyphen in front would be taken for an option of its own.
    private static func option(_ scope: String) -> [String] {
        scope.hasPrefix("-") ? ["--scope=\(scope)"] : ["--scope", scope]
    }

    /// Whether there is a token now that may be enough.
    ///
    /// - Parameter asked: What the resource named; `nil` where it named nothing.
    func run(_ asked: [String]?) async -> Bool {
        guard name.kind == .oauth else {
            Diagnostics.note("the resource wants more than \(name) is good for, and nobody logs in by a static secret")
            return false
        }
        do throws(VaultError) {
            let entry = try await broker.vault.read(name).summary
            let added = (asked ?? []).filter { !entry.scopes.contains($0) }
            let scopes = entry.scopes + added
            let command = (["vault", "login", name.name] + scopes.flatMap(Self.option)).map(shellQuoted)
                .joined(separator: " ")
            // RFC 6750 §3.1, "MAY include the "scope" attribute": a resource may leave out which scope it wants; it lists what there is.
            let wanted =
                asked.flatMap { $0.isEmpty ? nil : "the scope \($0.joined(separator: " "))" } ?? "another scope"
            let count = max(1, Int(entry.authorizations)) + failures.withLock { $0 }
            guard !context.noInput, count < Self.mostAuthorizations else {
                let reason = context.noInput ? "" : ", and was authorised for \(count) times already"
                Diagnostics.note("the resource wants \(wanted) for \(name)\(reason): \(command)")
                return false
            }
            context.note("the resource wants \(wanted) for \(name)")
            return try await logIn(
                scopes,
                beside: entry,
                UInt8(clamping: max(1, Int(entry.authorizations)) + 1),
                namesScope: asked?.isEmpty == false,
                hint: command
            )
        } catch {
            Diagnostics.note("there was no step-up: \(error)")
            return false
        }
    }

    private func logIn(
        _ scopes: [String],
        beside held: EntrySummary,
        _ authorizations: UInt8,
        namesScope: Bool,
        hint command: String
    ) async throws(VaultError) -> Bool {
        var options = LoginOptions.none
        options.connection = connection
        options.scopes = scopes
        let conversation = LoginConversation(context, opensBrowser: opensBrowser, readsTerminal: false)
        do {
            var resolution = try LoginResolution(context, options, name, broker)
            resolution.addsScopesOfResource = !namesScope
            var resolved = try await resolution.resolve()
            guard namesScope || !Set(resolved.plan.scopes).isSubset(of: held.scopes) else {
                Diagnostics.note(
                    "the resource wants another scope, says nowhere which, and lists none beside what is held; "
                        + "add it to: \(command)"
                )
                return false
            }
            resolved.plan.authorizations = authorizations
            let report = try await broker.login(
                resolved.plan,
                by: resolved.flow,
                asking: conversation.interaction
            )
            context.note("\(name) is logged in; \(report.summary.expirySentence)")
            return true
        } catch {
            if error.isLoginElsewhere {
                context.note("another login as \(name) is under way; waiting for it")
                return try await broker.waitForLogin(name, within: LoginOptions.standardTimeout)
            }
            guard error.code != .interrupted else { return false }
            failures.withLock { $0 += 1 }
            Diagnostics.note("the login for more came to nothing: \(error.message); to try it by hand: \(command)")
            return false
        }
    }
}
