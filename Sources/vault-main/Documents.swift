internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// The documents that several commands print.
extension Document {
    /// RFC 3339, or null.
    static func time(_ time: Timestamp?) -> Document { .optional(time?.description) }

    /// An entry as `list` shows it; `Schemas/entry-summary.schema.json`.
    static func listed(_ entry: EntrySummary) -> Document {
        .object(shared(entry))
    }

    /// An entry as `show` shows it; secrets only where they are handed in.
    static func shown(_ entry: EntrySummary, secrets: [(EntrySecrets.Field, SharedSecret)]) -> Document {
        var members = shared(entry)
        members += [
            ("id", .string(entry.id.description)),
            ("generation", .number(Int64(clamping: entry.generation))),
            ("token_type", .optional(entry.tokenType)),
            ("client_id", .optional(entry.clientID)),
            ("client_authentication", .optional(entry.clientAuthentication)),
            ("registered_redirect", .optional(entry.registeredRedirect)),
            ("client_secret_expires_at", .optional(entry.clientSecretExpiresAt?.description)),
            ("authorization_endpoint", .optional(entry.authorizationEndpoint)),
            ("token_endpoint", .optional(entry.tokenEndpoint)),
            ("revocation_endpoint", .optional(entry.revocationEndpoint)),
            ("resource", .optional(entry.resource)),
            ("grant_type", .optional(entry.grantType)),
            ("rotation", .string(entry.rotation.rawValue)),
            ("refresh_pending_since", time(entry.journal?.startedAt)),
            ("quirks", .strings(entry.quirks)),
            ("hosts", .strings(entry.hosts)),
            ("confirms_use", .bool(entry.confirmsUse)),
            ("programs", .strings(entry.programs)),
            ("holds", .strings(entry.holds.map(\.word).sorted())),
            (
                "source",
                entry.source.map { source in
                    .object([
                        ("path", .string(source.path)),
                        ("sha256", .string(hexadecimal(source.sha256))),
                        ("pointer", .string(source.pointer)),
                        ("format", .string(source.format)),
                    ])
                } ?? .null
            ),
            ("metadata", .object(entry.metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
        ]
        members += secrets.map { ($0.0.word, .secret($0.1)) }
        return .object(members)
    }

    private static func shared(_ entry: EntrySummary) -> [(String, Document)] {
        [
            ("name", .string(entry.name.description)),
            ("state", .string(entry.state.word)),
            ("state_reason", .optional(entry.state.reason)),
            ("provider", .optional(entry.provider)),
            ("issuer", .optional(entry.issuer)),
            ("account", .optional(entry.account)),
            ("scope", .optional(entry.scopes.isEmpty ? nil : entry.scopes.joined(separator: " "))),
            ("expires_at", time(entry.expiresAt)),
            ("expiry", .string(entry.expiry.word)),
            ("has_access_token", .bool(entry.holds.contains(.accessToken))),
            ("has_refresh_token", .bool(entry.holds.contains(.refreshToken))),
            ("issued_at", time(entry.issuedAt)),
            ("refreshed_at", time(entry.refreshedAt)),
            ("refresh_failure", entry.refreshFailure.map { .failure($0) } ?? .null),
            ("created_at", time(entry.createdAt)),
            ("updated_at", time(entry.updatedAt)),
        ]
    }

    private static func failure(_ failure: RefreshFailure) -> Document {
        .object([
            ("at", time(failure.at)), ("kind", .string(failure.kind.word)), ("reason", .string(failure.reason)),
            ("failures_in_a_row", .number(Int64(failure.count))), ("retry_at", time(failure.retryAt)),
        ])
    }

    /// A slot; `Schemas/slot.schema.json`.
    static func slot(_ slot: SlotListing) -> Document {
        .object([
            ("id", .string(slot.id)),
            ("kind", .string(slot.kind)),
            ("created_at", time(slot.createdAt)),
            ("argon2id_passes", slot.passes.map { .number(Int64($0)) } ?? .null),
            ("argon2id_memory_bytes", slot.memoryBytes.map { .number(Int64(clamping: $0)) } ?? .null),
            ("path", .optional(slot.path)),
        ])
    }
}

extension EntrySummary {
    /// How long the token is good for, in a sentence.
    var expirySentence: String {
        switch expiry {
        case .known(let end): "its token is valid until \(end)"
        case .unknown: "the server does not say how long its token is valid"
        case .never: "its token does not expire"
        }
    }

    /// What became of the last attempt to refresh, for people; `nil` where there was none.
    var refreshText: String? {
        if let refreshFailure {
            return "failed at \(refreshFailure.at) (\(refreshFailure.kind.word)): \(refreshFailure.reason)"
        }
        return refreshedAt.map { "succeeded at \($0)" }
    }

    /// The expiry for people.
    var expiryText: String { expiresAt?.description ?? expiry.word }

    /// The state for people.
    var stateText: String { state.reason.map { "\(state.word) (\($0))" } ?? state.word }
}

/// Columns for people: as wide as what stands in them.
enum Table {
    static func lines(_ header: [String], _ rows: [[String]]) -> [String] {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.indices.map { column in
                column == row.count - 1
                    ? row[column] : row[column] + String(repeating: " ", count: widths[column] - row[column].count)
            }
            return cells.joined(separator: "  ")
        }
    }
}

extension SecretText {
    /// The same in the vault's own secret memory, where documents keep their secrets.
    func shared() throws(VaultError) -> SharedSecret {
        do throws(CryptoError) {
            return SharedSecret(try withUnsafeBytes { (bytes) throws(CryptoError) in try SecretBytes(copying: bytes) })
        } catch {
            throw VaultError(.unavailable, error.message)
        }
    }
}
