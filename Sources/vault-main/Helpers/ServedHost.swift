internal import OAuthFlows
internal import VaultAPI

/// A host that a tool wants a credential for, as `host` or `host:port`.
///
/// Compared as a whole, in lower case, the scheme's own port left out: what ends in an entry's host, or begins with it, is
/// another host. Names outside ASCII, user names, paths and trailing dots are refused, since two programs that read them
/// differently send a token to the wrong place.
struct ServedHost {
    let url: EndpointURL

    /// - Throws: `.unsafe`, with the reason.
    init(scheme: String, _ host: String) throws(VaultError) {
        let url = try EndpointURL("\(scheme)://\(host)", as: "the host")
        guard url.path.isEmpty, url.query == nil else {
            throw VaultError(.unsafe, "the host \(Diagnostics.oneLine(host)) is refused: it is more than a host")
        }
        self.url = url
    }

    /// - Parameter given: The URL of a server, or its host alone.
    init(server given: String) throws(VaultError) {
        url = try EndpointURL(given.contains("://") ? given : "https://\(given)", as: "the server")
    }

    /// Whether an entry says that its token may go there.
    func isServed(by entry: EntrySummary, further hosts: [String] = []) -> Bool {
        if (entry.hosts + hosts).contains(where: { $0.lowercased() == url.authority }) { return true }
        guard let resource = entry.resource, let known = try? EndpointURL(resource, as: "the resource") else {
            return false
        }
        return known.authority == url.authority
    }
}

extension EntrySummary {
    /// Whether it says at all where its token may go.
    var namesHosts: Bool { !hosts.isEmpty || resource != nil }
}

extension VaultBroker {
    /// The entry that a host's token is in.
    ///
    /// - Parameter name: The one to take, whatever others there are.
    /// - Returns: The entry, or why there is none.
    func entry(
        for host: ServedHost,
        named name: EntryName?,
        further hosts: [String]
    ) async throws(VaultError) -> Result<EntrySummary, NoEntry> {
        if let name {
            let entry = try await summary(of: name)
            if host.isServed(by: entry, further: hosts) { return .success(entry) }
            let allowed = (entry.hosts + [entry.resource].compactMap { $0 } + hosts).joined(separator: ", ")
            return .failure(
                NoEntry(
                    reason: allowed.isEmpty
                        ? "\(name) does not say for which hosts it is; vault edit \(name) --host \(host.url.authority) says so"
                        : "\(name) is for \(allowed), and \(host.url.authority) is none of them"
                )
            )
        }
        let found = try await list().entries.filter { host.isServed(by: $0) }
        guard let entry = found.first else {
            return .failure(NoEntry(reason: "no entry is for \(host.url.authority)"))
        }
        guard found.count == 1 else {
            let names = found.map(\.name.description).joined(separator: ", ")
            return .failure(
                NoEntry(reason: "\(names) are all for \(host.url.authority), and which is meant is not said")
            )
        }
        return .success(entry)
    }
}

/// Why there is nothing to give.
struct NoEntry: Error {
    let reason: String
}
