internal import StrictJSON
internal import VaultAPI

extension VaultError {
    /// What an answer to a request of a login means that is no success.
    ///
    /// - Parameters:
    ///   - subject: What was asked: "the device authorization request".
    ///   - redaction: What the request carried.
    static func refusal(_ response: HTTPResponse, _ subject: String, _ redaction: Redaction) -> VaultError {
        let root = response.json("the answer")?.root
        if let code = try? root?.fact("error"), !redaction.isIn(code),
            let known = AuthorizationErrorResponse(
                code,
                (try? root?.fact("error_description")).flatMap(redaction.shown)
            )
        {
            return VaultError(known.failure.code, "\(subject) failed: \(known.sentence)", hint: known.failure.hint)
        }
        switch response.status {
        case 429, 408, 500...: return VaultError(.temporary, "\(subject) failed with status \(response.status)")
        case 300..<400:
            return VaultError(
                .unsafe,
                "\(subject) was redirected (status \(response.status)), and requests that prove who the client is follow "
                    + "no redirect"
            )
        default: return VaultError(.configuration, "\(subject) failed with status \(response.status)")
        }
    }
}
