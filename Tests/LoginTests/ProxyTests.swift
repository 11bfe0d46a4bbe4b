import TestSupport
import Testing

/// `vault proxy` between clients and a resource, with tokens of an authorization server that is a program of its own.
@Suite(.blocking)
struct ProxyTests {
    @Test func passesRequestsAndAnswersOn() throws { try Scenario.run("proxy", "passing") }

    @Test func doesNotListenToStrangers() throws { try Scenario.run("proxy", "strangers") }

    @Test(arguments: ["garbage", "leaving"])
    func survivesWhateverArrives(what: String) throws { try Scenario.run("proxy", what) }

    @Test func saysAtOnceWhatCannotWork() throws { try Scenario.run("proxy", "starting") }

    @Test func passesStreamsOnAsTheyCome() throws { try Scenario.run("proxy", "streams") }

    @Test(arguments: ["tokens", "bound"])
    func keepsTheTokenFresh(kind: String) throws { try Scenario.run("proxy", kind) }

    @Test(arguments: ["step_up", "no_step_up"])
    func logsInForMore(whether: String) throws { try Scenario.run("proxy", whether) }

    @Test func speaksTLS() throws { try Scenario.run("proxy", "secured") }

    @Test func storesARefreshBeforeItEnds() throws { try Scenario.run("proxy", "interrupted") }

    @Test func seesWhatBecomesOfTheVault() throws { try Scenario.run("proxy", "rekeyed") }

    @Test func letsNothingPileUp() throws { try Scenario.run("proxy", "pressure") }

    @Test func listensAtAUnixSocket() throws { try Scenario.run("proxy", "unix_socket") }

    @Test func isKeptFromNobodyByIdleConnections() throws { try Scenario.run("proxy", "crowded") }
}
