internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A program that keeps grants in the keyring: what it calls them, and how its items are read.
struct ForeignService: Sendable {
    /// The attribute `service`.
    let name: String
    /// The attribute `username` where it is known beforehand.
    let account: String?
    let format: any TokenFileFormat

    /// The services of the programs that are known, on this machine.
    ///
    /// Names as their sources have them: Goose and Codex use Rust's `keyring`, gh and the Databricks CLI Go's
    /// `go-keyring`; both keep the attributes `service` and `username`.
    static func all(on machine: Machine) -> [ForeignService] {
        var services = [ForeignService(name: "goose", account: "secrets", format: GooseKeyringFormat())]
        if let home = codexHome(on: machine) {
            services.append(ForeignService(name: "Codex Auth", account: codexAccount(home), format: CodexFormat()))
        }
        // The account is the profile or the host that was logged into.
        services.append(ForeignService(name: "databricks-cli", account: nil, format: DatabricksKeyringFormat()))
        for host in gitHubHosts(on: machine) {
            services.append(ForeignService(name: "gh:\(host)", account: nil, format: GitHubKeyringFormat()))
        }
        return services
    }

    /// How an item is read, whoever names it; `nil` for services that are not ours to look at.
    static func format(of item: ForeignItem) -> (any TokenFileFormat)? {
        switch item.service {
        case "goose": item.account == "secrets" ? GooseKeyringFormat() : nil
        case "Codex Auth": CodexFormat()
        case "databricks-cli": DatabricksKeyringFormat()
        default: item.service.hasPrefix("gh:") ? GitHubKeyringFormat() : nil
        }
    }

    /// `CODEX_HOME`, links resolved as Codex does it before it hashes the path.
    private static func codexHome(on machine: Machine) -> String? {
        guard let place = try? PlacePattern("${CODEX_HOME:-~/.codex}"), let path = place.path(on: machine) else {
            return nil
        }
        return (try? PathResolution.target(of: path)) ?? path
    }

    /// `cli|` and 16 digits of the SHA-256 of Codex's home.
    static func codexAccount(_ home: String) -> String {
        let hash = Array(home.utf8).withUnsafeBytes { hexadecimal(VaultCrypto.sha256($0)) }
        return "cli|" + hash.prefix(16)
    }

    /// The hosts gh is logged into: its keys at the margin of `hosts.yml`, and github.com.
    private static func gitHubHosts(on machine: Machine) -> [String] {
        var hosts = ["github.com"]
        guard let place = try? PlacePattern("${GH_CONFIG_DIR:-${XDG_CONFIG_HOME:-~/.config}/gh}/hosts.yml"),
            let path = place.path(on: machine), let file = try? TokenFile.read(path)
        else { return hosts }
        file.bytes.withBytes { bytes in
            for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(1000) {
                let name = line.prefix { $0 != UInt8(ascii: ":") }
                guard name.count < line.count, name.count < 254, let first = name.first, first > 0x20, first != 0x23
                else { continue }
                let host = String(decoding: name, as: UTF8.self)
                if Endpoint.host(of: "https://\(host)") == host, !hosts.contains(host) { hosts.append(host) }
            }
        }
        return Array(hosts.prefix(8))
    }
}

/// What of other programs' items is at hand while files are read.
struct ForeignItems: Sendable {
    private var values: [ForeignItem: SharedSecret] = [:]
    /// Why one of them is not here.
    private var failures: [ForeignItem: VaultError] = [:]

    /// Nothing.
    init() {}

    func value(_ item: ForeignItem) -> SharedSecret? { values[item] }

    /// What these paths need: the items that they name, and Moat's key where one of its files is among them.
    static func needed(
        for paths: [String],
        on machine: Machine,
        from keyring: (any ForeignKeyring)?
    ) async -> ForeignItems {
        var items = ForeignItems()
        guard let keyring else {
            for path in paths {
                guard let item = ForeignItem(path: path) else { continue }
                items.failures[item] = VaultError(.unavailable, "no keyring was asked")
            }
            return items
        }
        var wanted = paths.compactMap { ForeignItem(path: $0) }.filter { ForeignService.format(of: $0) != nil }
        if paths.contains(where: { $0.hasSuffix(".enc") }) { wanted.append(MoatKey.item(on: machine)) }
        for item in wanted where items.values[item] == nil {
            do throws(VaultError) {
                let found = try await keyring.items(of: item.service, account: item.account)
                items.values[item] = found.first { $0.account == item.account }?.value
            } catch  where error.code == .notFound {
                continue
            } catch {
                items.failures[item] = error
            }
        }
        return items
    }

    /// An item as a file: its bytes, and what they say.
    func read(
        _ item: ForeignItem
    ) throws(VaultError) -> (file: TokenFile, document: SourceDocument, format: any TokenFileFormat) {
        let subject = printable(item.path)
        guard let format = ForeignService.format(of: item) else {
            throw VaultError(.usage, "\(subject) is none of the items of the keyring that import reads")
        }
        guard let value = values[item] else {
            guard let failure = failures[item] else {
                throw VaultError(
                    .notFound,
                    "\(subject) is not there: its program has logged out, or keeps it elsewhere"
                )
            }
            throw VaultError(
                failure.code,
                "\(subject) cannot be read: \(printable(failure.message))",
                hint: failure.hint.map(printable)
            )
        }
        let text = try (format as? any BareTextFormat)?.wrapped(value) ?? value
        let view = try JSONDocument(text, subject: subject)
        let document = SourceDocument(syntax: .json, view: view, editor: ForeignEditor(subject: subject))
        let file = TokenFile(
            path: item.path,
            status: .nowhere,
            sha256: value.withBytes { VaultCrypto.sha256($0) },
            bytes: value
        )
        return (file, document, format)
    }
}

/// An item of another program is read and never changed.
private struct ForeignEditor: SourceEditor {
    let subject: String

    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes { throw refusal }

    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes { throw refusal }

    private var refusal: VaultError { VaultError(.unsafe, "\(subject) belongs to another program and is only read") }
}

/// The grants that are in the keyring.
public enum ForeignGrants {
    /// The paths (`keyring:…`) of the items that the known programs keep, for `ImportPlan.make`, and what stood in the
    /// way of looking, a sentence each.
    ///
    /// A keyring that is locked or not there is a note and no failure: most machines of servers have none.
    public static func locate(
        in keyring: any ForeignKeyring,
        on machine: Machine
    ) async -> (paths: [String], notes: [String]) {
        var (paths, notes): ([String], [String]) = ([], [])
        for service in ForeignService.all(on: machine) {
            do throws(VaultError) {
                for item in try await keyring.items(of: service.name, account: service.account) {
                    let path = ForeignItem(service: service.name, account: item.account).path
                    guard !path.unicodeScalars.contains(where: { isUnprintable($0) }), !paths.contains(path) else {
                        continue
                    }
                    paths.append(path)
                }
            } catch {
                if error.code == .notFound { continue }
                notes.append("the keyring was not searched: \(printable(error.message))")
                // What is locked or not there is so for all of them.
                break
            }
        }
        return (paths, notes)
    }
}
