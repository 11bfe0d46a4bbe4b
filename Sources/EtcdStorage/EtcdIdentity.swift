/// The token that stands for user and password, fetched when it is first needed and again when the cluster forgot it.
///
/// Checking a password costs a member about as much as a thousand reads, so that all who need a token at once wait for one.
actor EtcdIdentity {
    private var token: String?
    private var fetching: Task<String, any Error>?

    /// A token other than `stale`.
    func token(after stale: String?, fetch: @escaping @Sendable () async throws -> String) async throws -> String {
        if let token, token != stale { return token }
        if let fetching { return try await fetching.value }
        let task = Task { try await fetch() }
        fetching = task
        defer { fetching = nil }
        let fresh = try await task.value
        token = fresh
        return fresh
    }
}
