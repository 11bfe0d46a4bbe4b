internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The grants of a file that writes some of its tokens twice: those with the same token are one.
struct MergedGrants {
    private(set) var grants: [FoundGrant] = []
    private let key: FingerprintKey
    private var places: [[UInt8]: Int] = [:]

    init() throws(VaultError) { key = try FingerprintKey() }

    /// Adds a grant, or to the one that has its refresh token (or, without one, its access token or key) the places
    /// where its tokens stand again.
    ///
    /// - Parameter leads: Whether the new one is to be the grant, and the old one its copy.
    mutating func add(_ grant: FoundGrant, leads: Bool = false) throws(VaultError) {
        let fields: [EntrySecrets.Field] = [.refreshToken, .accessToken, .secret]
        guard let token = fields.lazy.compactMap({ grant.token($0) }).first else { return }
        let print = try key.value(token)
        guard let place = places[print] else {
            places[print] = grants.count
            grants.append(grant)
            return
        }
        var (first, second) = leads ? (grant, grants[place]) : (grants[place], grant)
        try Self.note(second, in: &first, key)
        grants[place] = first
    }

    /// Only what is equal is a copy: a file may have one refresh token with several access tokens.
    private static func note(
        _ copy: FoundGrant,
        in grant: inout FoundGrant,
        _ key: FingerprintKey
    ) throws(VaultError) {
        for (field, value) in copy.secrets {
            guard let mine = grant.token(field) else { continue }
            guard try key.value(mine) == key.value(value) else { continue }
            grant.copies.append((field, value))
            if field == .accessToken { grant.times += copy.times }
        }
        grant.copies += copy.copies
        grant.members += copy.members
    }
}
