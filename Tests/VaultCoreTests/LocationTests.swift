import Glibc
import Testing
import VaultCore

/// Where things are, as the environment says.
struct LocationTests {
    /// What one shell puts into the session's directory, another that does not name it must find.
    @Test func takesTheSessionsDirectoryOnlyWhereItIsPrivate() throws {
        let place = try TemporaryDirectory()
        func runtime(_ directory: String?) throws -> String? {
            var environment = ["HOME": place("home")]
            environment["XDG_RUNTIME_DIR"] = directory
            return try VaultLocation.standard(environment: environment).runtimeBase
        }
        let usual = try runtime(nil)
        #expect(usual == nil || usual == "/run/user/\(geteuid())/vault")
        #expect(try runtime(place.path) == place("vault"))
        #expect(try runtime("run") == usual)
        #expect(try runtime(place("nothing")) == usual)
        chmod(place.path, 0o755)
        #expect(try runtime(place.path) == usual)
    }
}
