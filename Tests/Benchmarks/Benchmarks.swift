internal import Glibc
import VaultAPI
internal import KeyCustody
internal import PrivateFiles
internal import VaultCore
internal import VaultCrypto

/// How long the vault's own operations take, in this process, at several sizes.
///
/// Prints a table; judges nothing.
///
///     vault-bench DIRECTORY [SIZE…]
///     vault-bench stores DIRECTORY etcd://HOST:PORT|- [SIZE…]
///
/// DIRECTORY must not exist. Put it on a tmpfs to measure the program, on a disk to measure the disk's fsync.
@main
enum Benchmarks {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        switch arguments.first {
        case "stores": return try await StoreBenchmarks.run(Array(arguments.dropFirst()))
        case "hold": return try await StoreBenchmarks.hold(Array(arguments.dropFirst()))
        default: break
        }
        guard let directory = arguments.first else { return print("usage: vault-bench DIRECTORY [SIZE...]") }
        let sizes = arguments.dropFirst().compactMap { Int($0) }
        try crypto()
        for size in sizes.isEmpty ? [10, 1000] : sizes {
            try await vault(at: "\(directory)/\(size)", entries: size)
        }
    }

    private static func crypto() throws {
        let key = try SecretBytes(random: 32)
        let plain = try SecretBytes(random: 2048)
        let sealed = SecretBox.seal(plain, under: key)
        report("seal 2 KiB", samples(200) { _ = SecretBox.seal(plain, under: key) })
        report("open 2 KiB", try samples(200) { _ = try SecretBox.open(sealed[...], under: key) })
        let passphrase = try SecretBytes(Array("benchmark".utf8))
        let salt = [UInt8](repeating: 7, count: PasswordHash.saltBytes)
        report(
            "Argon2id moderate",
            try samples(3) { _ = try PasswordHash.moderate.derive(from: passphrase, salt: salt) }
        )
    }

    private static func vault(at directory: String, entries: Int) async throws {
        let location = VaultLocation(
            directory: directory + "/vault",
            stateBase: directory + "/state",
            configuration: directory + "/config"
        )
        let custodians = CustodianSet(
            asking: { _ throws(CustodyError) in throw CustodyError(.locked, "nobody to ask") },
            keyring: KeyringClient(),
            isInteractive: false
        )
        try PrivateFiles.makeDirectory(directory)
        let slot = NewSlot(.keyFile, keyFile: directory + "/key")
        let made = try await Vault.create(location, slots: [slot], custodians: custodians)
        var put: [Duration] = []
        for index in 0..<entries {
            let summary = try summary(index)
            let secrets = try secrets()
            let start = ContinuousClock.now
            try await made.insert(summary, secrets)
            put.append(ContinuousClock.now - start)
        }
        let first = put.prefix(10).map { $0 }
        report("\(entries): put, the first ten", first)
        report("\(entries): put, the last ten", put.suffix(10).map { $0 })
        var open: [Duration] = []
        var get: [Duration] = []
        for index in 0..<20 {
            let start = ContinuousClock.now
            let vault = try await Vault.open(location, with: custodians)
            open.append(ContinuousClock.now - start)
            let name = try EntryName(.oauth, "entry-\(index * entries / 20)")
            let before = ContinuousClock.now
            _ = try await vault.read(name)
            get.append(ContinuousClock.now - before)
        }
        report("\(entries): open", open)
        report("\(entries): get", get)
        var lines: [Duration] = []
        let caller = Caller(processID: 1, userID: 2, via: .command, programs: ["/usr/bin/git", "/usr/bin/bash"])
        for index in 0..<300 {
            let event = AuditEvent(.token, name: try EntryName(.oauth, "entry-\(index)"), caller: caller)
            let start = ContinuousClock.now
            let failure = await made.record(event)
            lines.append(ContinuousClock.now - start)
            precondition(failure == nil, "no line was written")
        }
        report("\(entries): line of the audit log", lines)
        var list: [Duration] = []
        for _ in 0..<3 {
            let start = ContinuousClock.now
            let listing: Listing = try await made.list()
            list.append(ContinuousClock.now - start)
            precondition(listing.entries.count == entries && listing.faults.isEmpty, "not what was put")
        }
        report("\(entries): list", list)
    }

    private static func summary(_ index: Int) throws -> EntrySummary {
        var summary = EntrySummary(name: try EntryName(.oauth, "entry-\(index)"), createdAt: Timestamp.systemNow)
        summary.issuer = "https://auth.example.com"
        summary.tokenEndpoint = "https://auth.example.com/token"
        summary.scopes = ["openid", "offline_access"]
        return summary
    }

    private static func secrets() throws -> EntrySecrets {
        var secrets = try EntrySecrets()
        try secrets.set(.accessToken, to: try SecretBytes([UInt8](repeating: UInt8(ascii: "a"), count: 900)))
        try secrets.set(.refreshToken, to: try SecretBytes([UInt8](repeating: UInt8(ascii: "r"), count: 200)))
        return secrets
    }

    private static func samples(_ count: Int, _ body: () throws -> Void) rethrows -> [Duration] {
        var durations: [Duration] = []
        for _ in 0..<count {
            let start = ContinuousClock.now
            try body()
            durations.append(ContinuousClock.now - start)
        }
        return durations
    }

    private static func report(_ what: String, _ durations: [Duration]) {
        let sorted = durations.map { Double($0.components.attoseconds) / 1e15 + Double($0.components.seconds) * 1e3 }
            .sorted()
        guard let least = sorted.first, let most = sorted.last else { return }
        let name = what + String(repeating: " ", count: max(0, 32 - what.count))
        print(
            "\(name) \(rounded(sorted[sorted.count / 2])) ms  (\(rounded(least)) to \(rounded(most)), \(sorted.count) runs)"
        )
    }

    private static func rounded(_ milliseconds: Double) -> String { "\((milliseconds * 1000).rounded() / 1000)" }
}
