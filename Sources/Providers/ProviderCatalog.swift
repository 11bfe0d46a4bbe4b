internal import StrictJSON
package import VaultAPI

/// Every provider that can be named: those that come with the vault, and the user's own in `providers/*.yaml`.
package struct ProviderCatalog: Sendable {
    private let presets: [String: ProviderPreset]

    /// Reads the embedded presets, and the user's where a directory is given.
    ///
    /// A user's preset takes the place of an embedded one of the same name.
    ///
    /// - Parameter directory: `~/.config/vault/providers`; it need not exist.
    /// - Throws: `.configuration` naming file, line and field, `.unsafe` for a file or directory others may write,
    ///   `.unavailable` if one cannot be read.
    package init(userDirectory directory: String? = nil) throws(VaultError) {
        presets = try ProviderPreset.all(
            embedded: PackageResources.presets_json,
            under: "providers",
            userDirectory: directory
        )
    }

    /// Every name, sorted.
    package var names: [String] { presets.keys.sorted() }

    /// The preset as it stands, with its parameters unfilled; `nil` where there is none of that name.
    package func preset(_ name: String) -> ProviderPreset? { presets[name] }

    /// The preset with its parameters filled in.
    ///
    /// - Throws: `.notFound` for an unknown name, `.usage` for a parameter that is missing or unknown, `.unsafe` for a
    ///   value that would lead elsewhere than it seems.
    package func preset(_ name: String, with values: [String: String]) throws(VaultError) -> ProviderPreset {
        guard let preset = presets[name] else {
            throw VaultError(
                .notFound,
                "there is no provider \(printable(name))",
                hint: "the providers are \(names.joined(separator: ", "))"
            )
        }
        return try preset.filled(with: values)
    }
}

extension ProviderPreset {
    /// A copy in which every `{parameter}` has its value.
    ///
    /// - Throws: `.usage` for a parameter that is missing or unknown, `.unsafe` for a value that would lead elsewhere.
    package func filled(with values: [String: String]) throws(VaultError) -> ProviderPreset {
        for given in values.keys.sorted() where !parameters.contains(where: { $0.name == given }) {
            let known = parameters.map(\.name).joined(separator: ", ")
            let they = known.isEmpty ? "it has none" : "it has \(known)"
            throw VaultError(.usage, "the provider \(name) has no parameter \(printable(given)): \(they)")
        }
        var checked: [String: String] = [:]
        for parameter in parameters {
            guard let value = values[parameter.name] ?? parameter.preset else {
                throw VaultError(
                    .usage,
                    "the provider \(name) needs the parameter \(parameter.name): \(parameter.about)"
                )
            }
            checked[parameter.name] = try ProviderParameters.checked(value, for: parameter)
        }
        var filled = self
        func fill(_ text: inout String?) { text = text.map { ProviderParameters.fill($0, with: checked) } }
        fill(&filled.issuer)
        fill(&filled.metadataURL)
        fill(&filled.authorizationEndpoint)
        fill(&filled.tokenEndpoint)
        fill(&filled.revocationEndpoint)
        fill(&filled.deviceAuthorizationEndpoint)
        fill(&filled.pushedAuthorizationRequestEndpoint)
        fill(&filled.registrationPage)
        // A host parameter is an origin; here only its host is wanted.
        filled.resourceHosts = resourceHosts.map { host in
            let text = ProviderParameters.fill(host, with: checked)
            return text.contains("://") ? String(text.drop { $0 != ":" }.dropFirst(3)) : text
        }
        return filled
    }
}
