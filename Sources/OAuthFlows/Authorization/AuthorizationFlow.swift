package import VaultAPI

/// How a grant is obtained: through a browser, on another device, or with the client's own credentials.
package protocol AuthorizationFlow: Sendable {
    /// Obtains a grant, asking a person through `interaction` where it takes one.
    ///
    /// Whatever it opened, it has closed when it returns, throws or is cancelled.
    ///
    /// - Throws: `.loginRequired` if the person refused or the time ran out, `.configuration` if the server rejects the
    ///   client, scope or flow, `.temporary` for the network and the server's troubles, `.unsafe` for what a server must
    ///   not do, `.interrupted` if it was cancelled.
    func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant
}

/// What a flow needs of the world outside: how it speaks to a person.
package struct Interaction: Sendable {
    /// Shows where to go; called once for each attempt, before the wait.
    package var show: @Sendable (AuthorizationPrompt) async -> Void
    /// A remark for the person, on one line: a stray callback, a server that is slow.
    package var note: @Sendable (String) -> Void
    /// The next line a person typed or pasted; `nil` when there are no more.
    ///
    /// Without it, nothing can be pasted.
    package var pastedLine: (@Sendable () async -> String?)?

    package init(
        show: @escaping @Sendable (AuthorizationPrompt) async -> Void,
        note: @escaping @Sendable (String) -> Void,
        pastedLine: (@Sendable () async -> String?)? = nil
    ) {
        self.show = show
        self.note = note
        self.pastedLine = pastedLine
    }
}

/// What a person must see to go on.
package enum AuthorizationPrompt: Sendable {
    /// A page to open; its checked text is what a browser gets as its one argument.
    case browser(url: String)
    /// A code to type on another device, and where. Code and URLs hold no control character.
    case device(userCode: String, verificationURL: String, completeURL: String?, expiresIn: Duration)
}
