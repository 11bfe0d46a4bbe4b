internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The `auth.json` of opencode and of pi: a map from providers to grants and keys.
///
/// Both write grants alike and keys under different types, so a map of grants alone is told by its place, or not at
/// all.
struct ProviderMapFormat: TokenFileFormat {
    /// Which of the two.
    enum Tool: String, Sendable {
        case opencode, pi
    }

    let tool: Tool
    var identifier: String { tool.rawValue }

    init(_ tool: Tool) { self.tool = tool }

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        let place: Tool? = path.lies(in: "opencode") ? .opencode : path.lies(in: "pi", "agent") ? .pi : nil
        // In the place of one of them, a kind of login that is newer than this list is no reason to miss the others.
        let known = root.children.filter { $0.kind == .object && Self.isCredential($0) }
        let all = root.kind == .object ? root.children.count : 0
        guard !known.isEmpty, known.count == all || place != nil && path.fileName == "auth.json" else { return .no }
        let types = Set(known.compactMap { try? $0.fact("type") })
        var tools: Set<Tool> = []
        if !types.isDisjoint(with: ["api", "wellknown"]) { tools.insert(.opencode) }
        if types.contains("api_key") { tools.insert(.pi) }
        if tools.count == 2 { return .ambiguous("it holds keys as opencode writes them and keys as pi does") }
        if let told = tools.first, let place, told != place {
            return .ambiguous("it lies where \(place.rawValue) keeps its grants, but it reads as \(told.rawValue)'s")
        }
        guard let found = tools.first ?? place else {
            return .ambiguous("opencode and pi both write such a map, and it lies where neither of them does")
        }
        return found == tool ? .yes : .no
    }

    private static func isCredential(_ value: JSONValue) -> Bool {
        switch try? value.fact("type") {
        case "oauth": value.has("refresh") || value.has("access")
        case "api", "api_key": value.has("key")
        case "wellknown": value.has("token")
        default: false
        }
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var contents = FileContents()
        for entry in root.children {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            try contents.read(entry, of: tool.rawValue, provider: entry.label, in: context)
        }
        return contents
    }
}

/// OpenClaw's `auth-profiles.json`: profiles of the same kinds, each of which names its provider.
struct OpenClawFormat: TokenFileFormat {
    let identifier = "openclaw"
    let chaff: Set<String> = ["version", "order", "lastGood", "usageStats"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasNumber("version") else { return .no }
        return root["profiles"]?.isMap { $0.has("type") && $0.has("provider") } ?? false ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for profile in try root.object("profiles")?.children ?? [] {
            guard profile.kind == .object else { throw profile.mismatch(expected: "an object") }
            try contents.read(profile, of: "openclaw", provider: try profile.fact("provider"), in: context)
        }
        return contents
    }
}

extension FileContents {
    /// Adds a login of one of these tools: a grant (`oauth`), a key (`api`, `api_key`), a token that is used as it is
    /// (`token`), or one that a company's own page gave out (`wellknown`).
    fileprivate mutating func read(
        _ entry: JSONValue,
        of tool: String,
        provider: String?,
        in context: ReadingContext
    ) throws(VaultError) {
        let label = entry.name
        let bare = label.hasPrefix("https://") ? String(label.dropFirst("https://".count)) : label
        let name = "\(tool)-\(bare.replacing(":", with: "-"))"
        switch try entry.fact("type") {
        case "oauth":
            let client = KnownClient.of(provider: provider)
            let read = try FoundGrant.read(entry, as: .short, named: name, client: client, in: context)
            guard var grant = read else { break }
            grant.summary.provider = grant.summary.provider ?? provider
            if client?.provider == KnownClient.copilot.provider { grant.takeGitHubToken() }
            grants.append(grant)
        case "api", "api_key":
            if let key = entry["key"], key.isReference {
                notes.append("\(printable(label)): its key is read from elsewhere and does not stand in the file")
            } else if let key = try entry.token("key") {
                grants.append(.key(key, named: name, provider: provider, at: entry, in: context))
            }
        case "token":
            guard let token = try entry.token("token") else { break }
            var grant = FoundGrant.key(token, named: name, provider: provider, at: entry, in: context)
            try grant.expires("expires", of: entry, as: .milliseconds)
            grant.summary.account = try entry.fact("email")
            grants.append(grant)
        case "wellknown":
            guard let token = try entry.token("token") else { break }
            var grant = FoundGrant.key(token, named: name, provider: nil, at: entry, in: context)
            grant.summary.metadata["url"] = entry.label
            // The variable in which opencode hands the token on.
            if let variable = try entry.fact("key") { grant.summary.metadata["variable"] = variable }
            grants.append(grant)
        case let type:
            notes.append("\(printable(label)): a login of the unknown type \(printable(type ?? "")), left in the file")
        }
    }
}

extension FoundGrant {
    /// Makes a grant of GitHub Copilot what it is: GitHub's token, which does not expire and is never refreshed.
    ///
    /// The agents keep it where others have a refresh token, and beside it the session that they exchange it for every
    /// half hour, or once more the token itself. A session is worth nothing later and leaves with its token.
    mutating func takeGitHubToken() {
        guard let token = token(.refreshToken) else { return }
        let other = self.token(.accessToken)
        secrets = [(.accessToken, token)]
        let isTwice = other.map { $0.says(whatIsSaidBy: token) } ?? false
        if !isTwice {
            notes.append("the session with Copilot beside GitHub's token renews itself and is not taken in")
        }
        noteCopy(.accessToken, other)
        // A session's expiry says nothing of the token; a 0 in its place does.
        let isNever = if case .unknown = summary.expiry { isTwice && value.hasNumber("expires") } else { false }
        summary.expiry = isNever ? .never : .unknown
        times = []
        summary.rotation = .never
    }
}

extension JSONValue {
    /// Whether a key is a command to run or a variable's name, as these tools allow instead of the key.
    var isReference: Bool {
        guard kind == .string else { return false }
        if hasSecretPrefix("!") || hasSecretPrefix("$") { return true }
        guard range.count <= 66 else { return false }
        var isName = true
        document.text.withBytes { bytes in
            for byte in bytes[range].dropFirst().dropLast() {
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    continue
                default: isName = false
                }
            }
            if !bytes[range].contains(UInt8(ascii: "_")) { isName = false }
        }
        return isName
    }
}
