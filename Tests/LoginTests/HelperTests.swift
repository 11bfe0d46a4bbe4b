import TestSupport
import Testing

/// The tools themselves, with entries that come from logins; one that a machine lacks says so and is left out.
@Suite(.blocking)
struct HelperTests {
    @Test(arguments: ["clones", "strangers"])
    func servesGit(how: String) throws { try Scenario.run("tool_git", how) }

    @Test(arguments: ["helper", "docker"])
    func servesDocker(how: String) throws { try Scenario.run("tool_docker", how) }

    @Test(arguments: ["kubectl", "tokens"])
    func servesKubectl(how: String) throws { try Scenario.run("tool_kubectl", how) }

    @Test(arguments: ["cli", "exchanges", "refusals", "answers"])
    func servesTheAWSCLI(how: String) throws { try Scenario.run("tool_aws", how) }

    @Test func startsAProgramWithAFreshToken() throws { try Scenario.run("tool_exec") }
}
