internal import VaultAPI
internal import VaultCore

extension KnownClient {
    /// The client of Vercel's command, which logs in by device.
    static let vercel = KnownClient(
        provider: "vercel",
        issuer: "https://vercel.com",
        clientID: "cl_HYyOPBNtFMfHhaUn9L4QPfTZz6TP47bp",
        tokenEndpoint: "https://api.vercel.com/login/oauth/token",
        rotation: .unknown
    )
    /// Any client of Spotify's.
    static let spotify = KnownClient(
        provider: "spotify",
        issuer: nil,
        clientID: nil,
        tokenEndpoint: "https://accounts.spotify.com/api/token",
        rotation: .unknown
    )
}
