import TestSupport
import Testing

/// "One request. However many threads, processes … ask for the same expired token, the server sees one refresh
/// request."
@Suite(.serialized)
struct ManyProcessesTests {
    @Test func everyExpiryCostsOneRequest() async throws {
        try await Script.run("refresh/many", "expiries")
    }

    @Test func refreshesAskedForAtOnceAreOneAndInTurnAreMany() async throws {
        try await Script.run("refresh/many", "flags")
    }

    @Test func whatOneProcessTakesAwayIsGoneForAll() async throws {
        try await Script.run("refresh/many", "gone")
    }

    @Test(arguments: ["rename", "rotate"])
    func aRefreshUnderWaySurvivesARenamingAndANewDataKey(change: String) async throws {
        try await Script.run("refresh/many", change)
    }
}
