import TestSupport
import Testing

/// A holder of the lease sleeps past its end: its commit is fenced, and what it had not sent it does not send.
///
/// The lease of the product lasts 45 s, and nothing here shortens it; so the two sleep beside each other and the rest.
struct StoppedHolderTests {
    @Test(arguments: ["answer", "before"])
    func costsOneRequestAndLosesNothing(stopped: String) async throws {
        try await Script.run("etcd/stopped", stopped)
    }
}
