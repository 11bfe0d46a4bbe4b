import CredentialVault

/// A vault in a store of the program's own, made and opened again.
public enum OwnVault {
    /// Makes one, and keeps a secret in it.
    public static func make(in directory: String, passphrase: String) async throws {
        let credentials = try await Credentials.create(passphrase: { Array(passphrase.utf8) }) { header in
            try FileStore.create(in: directory, header: header)
        }
        try await credentials.set("static:example", to: "sk-EXAMPLE")
    }

    /// The secret that is in it.
    public static func read(in directory: String, passphrase: String) async throws -> String {
        let store = try FileStore.open(in: directory)
        let credentials = try await Credentials.open(store: store) { Array(passphrase.utf8) }
        return try await credentials.accessToken(for: "static:example").value
    }
}
