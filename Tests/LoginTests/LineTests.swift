import TestSupport
import Testing

/// The lines of oauth-client.md that the command decides, and no library: 11, 14, 21 and 22.
@Suite(.blocking)
struct LineTests {
    @Test func line11_takesClientsInOrder() throws { try Scenario.run("lines", "clients") }

    @Test func line14_showsAnotherServerNothing() throws { try Scenario.run("lines", "issuers") }

    @Test func line21_namesTheSameResourceEverywhereOrNowhere() throws { try Scenario.run("lines", "resource") }

    @Test func line22_asksForScopesInOrder() throws { try Scenario.run("lines", "scopes") }
}
