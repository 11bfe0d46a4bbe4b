import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// Files of cloud and developer tools, as samples and in the forms that their versions have written.
struct CloudFormatTests {
    private let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    private func read(_ path: String, _ text: String, format: String? = nil) throws -> FileReading {
        let options = ImportOptions(machine: Machine(home: directory.path, environment: [:]))
        return try FileReading.of(
            try directory.write(path, text),
            format: format,
            options: options,
            now: testNow
        )
    }

    private static let google = "to=https://oauth2.googleapis.com/token"
    private static let home = "00000000-0000-0000-0000-00000000000a.00000000-0000-0000-0000-00000000000b"

    static let samples: [CloudCase] = [
        CloudCase(
            sample: "aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json",
            "aws-sso",
            [
                "oauth:aws-sso-example.awsapps.com expires=2030-01-01T00:00:00Z client=client-EXAMPLE held "
                    + "access_token=at-EXAMPLE refresh_token=rt-EXAMPLE client_secret=cs-EXAMPLE at "
            ],
            notes: ["CreateToken"]
        ),
        CloudCase(
            sample: "azure/msal_token_cache.json",
            "msal",
            [
                "oauth:azure-user@example.com account=user@example.com expires=2030-01-01T00:00:00Z "
                    + "client=00000000-0000-0000-0000-0000000000cc "
                    + "to=https://login.microsoftonline.com/00000000-0000-0000-0000-00000000000b/oauth2/v2.0/token "
                    + "held access_token=at-EXAMPLE refresh_token=rt-EXAMPLE id_token=eyJ at /RefreshToken/\(home)-"
                    + "login.microsoftonline.com-refreshtoken-00000000-0000-0000-0000-0000000000cc--"
            ],
            notes: ["Microsoft's own programs"]
        ),
        CloudCase(
            sample: "databricks/token-cache.json",
            "databricks-cli",
            [
                "oauth:databricks-example.cloud.databricks.com expires=2030-01-01T00:00:00.123456789Z "
                    + "client=databricks-cli held access_token=at-EXAMPLE refresh_token=rt-EXAMPLE "
                    + "at /tokens/https:~1~1example.cloud.databricks.com"
            ]
        ),
        CloudCase(
            sample: "dbxcli/auth.json",
            "dbxcli",
            [
                "static:dropbox-personal secret=at-EXAMPLE at //personal",
                "static:dropbox-teamAccess secret=at-EXAMPLE2 at //teamAccess",
            ]
        ),
        CloudCase(
            sample: "gcloud/application_default_credentials.json",
            "google-adc",
            [
                "oauth:google-adc client=client-EXAMPLE.apps.googleusercontent.com \(google) "
                    + "refresh_token=1//rt-EXAMPLE client_secret=cs-EXAMPLE at "
            ]
        ),
        CloudCase(
            sample: "google-auth-python/token.json",
            "google-auth",
            [
                "oauth:google-token expires=2030-01-01T00:00:00.123456Z "
                    + "client=client-EXAMPLE.apps.googleusercontent.com \(google) access_token=ya29.EXAMPLE "
                    + "refresh_token=1//rt-EXAMPLE client_secret=cs-EXAMPLE at "
            ]
        ),
        CloudCase(
            sample: "generic/go-oauth2-token.json",
            "go",
            [
                "oauth:go-oauth2-token expires=2030-01-01T00:00:00.123456789Z held access_token=at-EXAMPLE "
                    + "refresh_token=rt-EXAMPLE at "
            ],
            notes: ["--client-id", "--token-url"]
        ),
        CloudCase(
            sample: "generic/go-oauth2-token-noexpiry.json",
            "go",
            ["oauth:go-oauth2-token-noexpiry expires=never access_token=at-EXAMPLE at "]
        ),
        CloudCase(
            sample: "kube/cache/oidc-login/0000000000000000000000000000000000000000000000000000000000000000",
            "kubelogin",
            [
                "oauth:kubelogin-issuer.example.com account=user@example.com expires=2030-01-01T00:00:00Z "
                    + "client=kubernetes held refresh_token=rt-EXAMPLE id_token=eyJ at "
            ],
            notes: ["kubectl presents", "kubeconfig"]
        ),
        CloudCase(
            sample: "mutt/tokenfile.plain.json",
            "mutt",
            [
                "oauth:mutt-user@example.com account=user@example.com "
                    + "expires=\(localInstant(2030, 1, 1, 9, ".123456")) client=client-EXAMPLE \(google) "
                    + "access_token=at-EXAMPLE refresh_token=1//rt-EXAMPLE client_secret=cs-EXAMPLE at "
            ]
        ),
        CloudCase(
            sample: "netlify/config.json",
            "netlify",
            [
                "static:netlify-user@example.com account=user@example.com secret=nfp_EXAMPLE "
                    + "at /users/user-EXAMPLE/auth/token",
                "static:netlify-github-example-user account=example-user secret=gho_EXAMPLE "
                    + "at /users/user-EXAMPLE/auth/github/token",
            ]
        ),
        CloudCase(
            sample: "terraform.d/credentials.tfrc.json",
            "terraform",
            ["static:terraform-app.terraform.io secret=atlasv1-EXAMPLE at /credentials/app.terraform.io/token"]
        ),
    ]

    @Test(arguments: samples + cloudVariants)
    func reads(_ sample: CloudCase) throws {
        let reading = try read(sample.path, sample.text)
        #expect(reading.format.identifier == sample.format)
        let lines = try reading.lines
        #expect(lines == sample.lines, "\(lines)")
        for note in sample.notes {
            #expect(reading.notes.contains { $0.contains(note) }, "\(note) in \(reading.notes)")
        }
        #expect(!reading.notes.contains { $0.contains("EXAMPLE") && !$0.contains("http") })
    }

    /// Each grant goes alone, and what it leaves is the file without it: the same bytes, the same other grants.
    @Test(arguments: (samples + cloudVariants).filter { $0.lines.count > 1 })
    func takesOneGrantOut(_ sample: CloudCase) throws {
        for index in sample.lines.indices {
            let reading = try read(sample.path, sample.text)
            let grant = reading.contents.grants[index]
            let pointer = grant.value.pointer
            let tokens = try (grant.secrets + grant.copies).map { try $0.value.quoted }
            let shared = try reading.contents.grants.filter { $0.value.pointer != pointer }
                .flatMap { try $0.secrets.map { try $0.value.quoted } }
            #expect(try TokenRemoval(reading: reading, machine: reading.machine).remove([pointer]) == .edited)
            let left = try directory.text(reading.file.path)
            #expect(isCut(left, outOf: sample.text))
            for token in tokens where !shared.contains(token) { #expect(!left.contains(token), "\(left)") }
            for mark in ["\"x-unknown\": 1.50", "telemetryDisabled"] where sample.text.contains(mark) {
                #expect(left.contains(mark))
            }
            let again = try FileReading.of(
                reading.file.path,
                format: sample.format,
                options: ImportOptions(machine: reading.machine),
                now: testNow
            )
            // Elements of an array move up.
            var expected = sample.lines
            expected.remove(at: index)
            #expect(try again.lines.map(Self.withoutPlace) == expected.map(Self.withoutPlace))
        }
    }

    private static func withoutPlace(_ line: String) -> String {
        line.replacing(/[ ]copy of [a-z_]+ at \S+/, with: "").replacing(/[ ]at \S*$/, with: "")
    }

    @Test(arguments: (samples + cloudVariants).filter { !$0.lines.isEmpty })
    func leavesNoTokenOfItsGrantsBehind(_ sample: CloudCase) throws {
        let reading = try read(sample.path, sample.text)
        let tokens = try reading.contents.grants.flatMap { grant in
            try grant.secrets.filter { $0.field != .clientSecret }.map { try $0.value.quoted }
        }
        let removal = try TokenRemoval(reading: reading, machine: reading.machine)
            .remove(Set(reading.contents.grants.map(\.value.pointer)))
        guard removal == .edited else { return #expect(!directory.exists(reading.file.path)) }
        let left = try directory.text(reading.file.path)
        for token in tokens { #expect(!left.contains(token)) }
    }

    /// Half of a file, a name twice, and another type where the token stands.
    @Test(arguments: samples + cloudVariants)
    func refusesDamage(_ sample: CloudCase) throws {
        let half = String(sample.text.prefix(sample.text.count * 2 / 3))
        let isArray = sample.text.hasPrefix("[")
        let twice = isArray ? "[{\"x\":1,\"x\":2}]" : "{\"x-twice\":1,\"x-twice\":2," + sample.text.dropFirst()
        for text in [half, twice] {
            let error = #expect(throws: VaultError.self) { try read(sample.path, text) }
            #expect(error?.code == .damaged)
            #expect(error?.message.contains("EXAMPLE") == false)
        }
    }

    @Test(arguments: cloudDamage)
    func refusesWrongTypes(_ format: String, _ path: String, _ text: String) throws {
        let error = #expect(throws: VaultError.self) { try read(path, text) }
        #expect(error?.code == .damaged, "\(String(describing: error))")
        let forced = #expect(throws: VaultError.self) { try read(path, text, format: format) }
        #expect(forced?.code == .damaged, "\(String(describing: forced))")
    }

    @Test(arguments: cloudDeclined)
    func declines(_ path: String, _ text: String, _ code: VaultError.Code, _ word: String) throws {
        let error = #expect(throws: VaultError.self) { try read(path, text) }
        #expect(error?.code == code, "\(String(describing: error))")
        #expect(error?.message.contains(word) == true, "\(String(describing: error))")
        #expect(error?.message.contains("EXAMPLE") == false)
    }

    @Test(arguments: [
        ("login.microsoftonline.com", "common", true), ("LOGIN.microsoftonline.us", "a.onmicrosoft.com", true),
        ("login.chinacloudapi.cn", "b", true), ("login.microsoftonline.com.evil.example", "b", false),
        ("evil.example", "b", false), ("login.microsoftonline.com", "b/../c", false),
        ("login.microsoftonline.com", "b?x=", false), ("login.microsoftonline.com", "", false),
        ("login.microsoftonline.com:8443", "b", false), ("x@login.microsoftonline.com", "b", false),
        ("login.microsoftonline.com", "..", false),
    ])
    func knowsMicrosoftsHosts(_ host: String, _ tenant: String, _ isKnown: Bool) {
        #expect((MicrosoftLogin.authority(host, tenant) != nil) == isKnown)
    }

    @Test func setsWhatAWSSaysOfItsClient() throws {
        let grant = try #require(
            try read(
                "aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json",
                Fixture.text("aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json")
            ).contents.grants.first
        )
        #expect(grant.summary.clientSecretExpiresAt == Timestamp(rfc3339: "2030-03-31T00:00:00Z"))
        #expect(grant.summary.metadata == ["startUrl": "https://example.awsapps.com/start", "region": "us-east-1"])
        #expect(grant.summary.tokenEndpoint == nil)
    }

    @Test func discoversDatabricksWhereItsKeySays() throws {
        let reading = try read("c.json", try Fixture.text("databricks/token-cache.json"))
        #expect(reading.contents.grants.first?.summary.issuer == "https://example.cloud.databricks.com/oidc")
        #expect(reading.contents.grants.first?.times.count == 1)
    }
}

extension JSONValue {
    /// The bytes in the file, quotes and all.
    fileprivate var quoted: String { get throws { document.raw(range) } }
}

extension FileReading {
    /// A machine on which the file has no owner at work.
    fileprivate var machine: Machine { Machine(home: "/nonexistent", environment: [:]) }
}
