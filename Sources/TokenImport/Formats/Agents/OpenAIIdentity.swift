internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Who an id token of OpenAI's says its user is, in the order in which the tools that read it look.
struct OpenAIIdentity {
    let accountID: String?
    let email: String?
    let plan: String?

    init(_ claims: JWTClaims?) {
        let auth = "https://api.openai.com/auth"
        accountID =
            claims?.text(auth, "chatgpt_account_id") ?? claims?.text("chatgpt_account_id")
            ?? claims?.text("organizations", first: "id")
        email = claims?.text("email") ?? claims?.text("https://api.openai.com/profile", "email")
        plan = claims?.text(auth, "chatgpt_plan_type")
    }

    /// Labels an entry.
    ///
    /// The account id names the account; the address may be shared by several.
    func label(_ summary: inout EntrySummary) {
        summary.account = summary.account ?? accountID ?? email
        if let email { summary.metadata["email"] = email }
        if let plan { summary.metadata["chatgpt_plan_type"] = plan }
    }
}
