import TestSupport
import Testing

/// Logins from the command to the server's log and back, with authorization servers that are programs of their own.
@Suite(.blocking)
struct LoginTests {
    /// Three servers, two of which nobody here wrote.
    @Test(arguments: ["ours", "canaille", "mock"])
    func livesFromLoginToLogout(server: String) throws { try Scenario.run("servers", server) }

    @Test func showsAPageInARealBrowser() throws { try Scenario.run("pages") }

    @Test(arguments: ["confirmed", "slowed_down", "refused", "openai"])
    func logsInOnAnotherDevice(how: String) throws { try Scenario.run("device", how) }

    @Test func logsInWithTheClientsOwnCredentials() throws { try Scenario.run("device", "client_credentials") }

    @Test func bindsTokensToAKey() throws { try Scenario.run("device", "bound") }

    @Test(arguments: ["again", "secret_for_key"])
    func logsInAgainByNameAlone(how: String) throws { try Scenario.run("device", how) }

    @Test func pushesTheRequestWhereTheServerWantsThat() throws { try Scenario.run("device", "pushed") }

    @Test(arguments: ["own_settings", "providers", "parameters", "hints", "other_server", "presets", "same_name"])
    func findsWhatALoginNeeds(from source: String) throws { try Scenario.run("settings", source) }

    @Test(arguments: ["two_logins", "a_crowd"])
    func opensOneBrowserAtATime(who: String) throws { try Scenario.run("people", who) }

    @Test(arguments: ["pasted", "in_a_loop", "in_the_background"])
    func takesAPastedAnswer(how: String) throws { try Scenario.run("people", how) }

    @Test func adoptsAGrantOnceItsOwnerHasLostIt() throws { try Scenario.run("people", "adopting") }

    @Test(arguments: ["strays", "twice", "page_after_tokens"])
    func ignoresWhateverElseReachesThePort(what: String) throws { try Scenario.run("callbacks", what) }

    @Test(arguments: ["endings", "replacing", "logging_out"])
    func keepsTheOldGrantUntilThereIsANewOne(how: String) throws { try Scenario.run("callbacks", how) }

    @Test(arguments: ["texts", "urls", "canaries", "impostor"])
    func isNotLedByAServer(kind: String) throws { try Scenario.run("hostile", kind) }
}
