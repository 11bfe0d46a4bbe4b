import TestSupport
import Testing

/// Logins that begin with the URL of an MCP server and nothing else.
@Suite(.blocking)
struct DiscoveryTests {
    /// The MCP SDK's servers and FastMCP's, nobody of which was written here, from the URL to a tool that answers.
    @Test(arguments: ["reference", "fastmcp"])
    func goesFromAURLToATool(server: String) throws { try Scenario.run("discovery", server) }

    @Test func servesTheSDKsClientBehindTheProxy() throws { try Scenario.run("discovery", "proxied") }

    @Test func showsItsPageInARealBrowser() throws { try Scenario.run("discovery", "browser") }

    @Test func showsNothingOfTheOldServerToTheNew() throws { try Scenario.run("discovery", "moved") }

    @Test func isAClientByItsMetadataDocument() throws { try Scenario.run("discovery", "cimd") }

    @Test(arguments: ["steps", "steps_of_a_document", "no_step"])
    func authorizesMoreWhereAToolWantsIt(how: String) throws { try Scenario.run("discovery", how) }

    @Test(arguments: ["lies", "redirects", "endings", "urls"])
    func stopsAtALieBeforeItRegisters(kind: String) throws { try Scenario.run("lies", kind) }

    @Test(arguments: ["registrations", "secrets"])
    func judgesWhatAServerRegistered(kind: String) throws { try Scenario.run("lies", kind) }

    @Test func assumesEndpointsOnlyWhereThereIsNoMetadata() throws { try Scenario.run("lies", "fallback") }

    @Test(arguments: ["by_name_alone", "forgotten", "on_another_device", "answers"])
    func comesBackToAServerItFound(how: String) throws { try Scenario.run("again", how) }

    /// In a network namespace, with global addresses and private ones.
    @Test(arguments: ["begun", "global_to_private", "rebinding", "allowed", "through_a_proxy"])
    func isNotLedFromTheInternetInside(how: String) throws { try Scenario.run("namespace", how) }
}
