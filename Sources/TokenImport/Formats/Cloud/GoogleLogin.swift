internal import StrictJSON
internal import VaultAPI
internal import VaultCore

extension FoundGrant {
    /// Fills in Google's endpoint where the file names one of Google's.
    ///
    /// An endpoint in a file is where a refresh token would be sent, and a file can be planted: no other counts.
    mutating func applyGoogle(endpoint: String?) {
        summary.provider = KnownClient.google.provider
        guard let endpoint else { return }
        if KnownClient.googleTokenEndpoints.contains(endpoint) {
            summary.issuer = KnownClient.google.issuer
            summary.tokenEndpoint = endpoint
            summary.rotation = .never
        } else {
            notes.append(
                "the file's token endpoint \(printable(endpoint)) is none of Google's and is not used; "
                    + "if it is right, give it with --token-url"
            )
        }
    }
}
