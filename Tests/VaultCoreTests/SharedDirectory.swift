import Foundation
import KeyCustody
import PrivateFiles
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A vault in a directory that two machines have a copy of each, and a sync tool that brings changes over.
final class SharedDirectory: Sendable {
    /// One of the two machines: directories of its own, and its copy of the store.
    struct Machine: Sendable {
        let place: String
        var location: VaultLocation {
            VaultLocation(directory: "\(place)/vault", stateBase: "\(place)/state", configuration: "\(place)/config")
        }

        func open(acceptingRollback: Bool = false) async throws -> Vault {
            var options = Vault.Options()
            options.acceptsRollback = acceptingRollback
            return try await Vault.open(location, with: SharedDirectory.custodians(place), options: options)
        }

        /// The files of the store by their paths in it, and what is in them; without git's and what was put aside.
        func files() throws -> [String: [UInt8]] {
            let names = try FileManager.default.subpathsOfDirectory(atPath: location.directory)
            var files: [String: [UInt8]] = [:]
            for name in names where !name.hasPrefix("set-aside") && !name.hasPrefix(".") {
                var isDirectory: ObjCBool = false
                _ = FileManager.default.fileExists(atPath: path(name), isDirectory: &isDirectory)
                if !isDirectory.boolValue { files[name] = [UInt8](try Data(contentsOf: URL(filePath: path(name)))) }
            }
            return files
        }

        func path(_ name: String) -> String { "\(location.directory)/\(name)" }

        func write(_ name: String, _ bytes: [UInt8]) throws {
            let url = URL(filePath: path(name))
            try PrivateFiles.makeDirectory(url.deletingLastPathComponent().path(percentEncoded: false))
            // As sync tools do it: beside, and then renamed into place.
            try Data(bytes).write(to: url, options: .atomic)
        }

        /// What was put aside.
        func setAside() throws -> [[UInt8]] {
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path("set-aside"))) ?? []
            return try names.map { [UInt8](try Data(contentsOf: URL(filePath: path("set-aside/\($0)")))) }
        }
    }

    let place: TemporaryDirectory
    let a: Machine
    let b: Machine

    /// Two machines, and a vault that the first one made.
    init() async throws {
        place = try TemporaryDirectory()
        a = Machine(place: place("a"))
        b = Machine(place: place("b"))
        for machine in [a, b] { try PrivateFiles.makeDirectory(machine.place) }
        _ = try await Vault.create(
            a.location,
            in: .directory(a.location.directory),
            slots: [NewSlot(.passphrase, derivation: cheap)],
            custodians: Self.custodians(a.place)
        )
        try copy()
    }

    static func custodians(_ place: String) -> CustodianSet {
        CustodianSet(
            asking: { _ throws(CustodyError) in try secret(TestVault.passphrase) },
            keyring: KeyringClient(program: "\(place)/no-keyring", environment: [:]),
            isInteractive: false,
            limits: cheapLimits,
            showRecoveryCode: { _ throws(CustodyError) in }
        )
    }

    /// Makes the second machine's copy what the first one's is.
    func copy() throws {
        try? FileManager.default.removeItem(atPath: b.location.directory)
        try FileManager.default.copyItem(atPath: a.location.directory, toPath: b.location.directory)
    }

    /// Brings both copies together as Syncthing does: of two versions of one file, the one it takes for older gets a name
    /// of its own on both machines, and of a deletion and a change the change stays.
    ///
    /// - Parameter before: What both had when they were together last.
    /// - Returns: The conflict copies, by their paths in the store.
    @discardableResult
    func sync(since before: [String: [UInt8]]) throws -> [String] {
        let (left, right) = (try a.files(), try b.files())
        var copies: [String] = []
        for name in Set(left.keys).union(right.keys).union(before.keys).sorted() {
            let (mine, theirs, old) = (left[name], right[name], before[name])
            guard mine != theirs else { continue }
            switch (mine == old, theirs == old) {
            case (true, _): try put(theirs, at: name, on: a)
            case (_, true): try put(mine, at: name, on: b)
            case (false, false):
                guard let mine, let theirs else {
                    for machine in [a, b] { try put(mine ?? theirs, at: name, on: machine) }
                    continue
                }
                let copy = "\(name).sync-conflict-20270115-080000-ABCDEFG"
                for machine in [a, b] {
                    try machine.write(name, mine)
                    try machine.write(copy, theirs)
                }
                copies.append(copy)
            }
        }
        return copies
    }

    private func put(_ bytes: [UInt8]?, at name: String, on machine: Machine) throws {
        if let bytes {
            try machine.write(name, bytes)
        } else {
            try FileManager.default.removeItem(atPath: machine.path(name))
        }
    }
}

extension Vault {
    /// Adds a grant that can be refreshed.
    @discardableResult
    func insertGrant(
        _ text: String,
        refresh: String = "refresh-0",
        issued: Int64 = 0,
        _ change: (inout EntrySummary) -> Void = { _ in }
    ) async throws -> EntrySummary {
        var entry = EntrySummary(name: try VaultCoreTests.name(text), createdAt: noon)
        entry.issuedAt = Timestamp(seconds: noon.seconds + issued)
        change(&entry)
        return try await insert(entry, try holding([.accessToken: "access-0", .refreshToken: refresh]))
    }

    /// Takes over tokens as a refresh, a login or an import does.
    @discardableResult
    func renew(_ text: String, _ number: Int, issued: Int64) async throws -> EntrySummary {
        try await update(try VaultCoreTests.name(text)) { (summary, secrets) throws(VaultError) in
            summary.issuedAt = Timestamp(seconds: noon.seconds + issued)
            summary.state = .active
            do throws(CryptoError) {
                try secrets.set(.accessToken, to: try SecretBytes(Array("access-\(number)".utf8)))
                try secrets.set(.refreshToken, to: try SecretBytes(Array("refresh-\(number)".utf8)))
            } catch {
                throw VaultError(.unavailable, error.message)
            }
        }
    }

    func state(_ text: String) async throws -> EntryState {
        try await summary(of: try VaultCoreTests.name(text)).state
    }
}
