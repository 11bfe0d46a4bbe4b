internal import StrictJSON
internal import VaultAPI

/// An answer to a request of a login that is no success.
struct ServerRefusal {
    let error: VaultError
    /// RFC 6749 §5.2, where the body holds one.
    let code: String?

    /// - Parameter subject: What was asked: "the device authorization request".
    init(_ response: HTTPResponse, _ document: JSONDocument?, _ subject: String) {
        let code = (try? document?.root.fact("error")) ?? nil
        let description = (try? document?.root.fact("error_description")) ?? nil
        self.code = code
        if let code, let known = AuthorizationErrorResponse(code, description) {
            error = VaultError(known.failure.code, "\(subject) failed: \(known.sentence)", hint: known.failure.hint)
            return
        }
        switch response.status {
        case 429, 408, 500...: error = VaultError(.temporary, "\(subject) failed with status \(response.status)")
        case 300..<400:
            error = VaultError(
                .unsafe,
                "\(subject) was redirected (status \(response.status)), and requests that prove who the client is follow "
                    + "no redirect"
            )
        default: error = VaultError(.configuration, "\(subject) failed with status \(response.status)")
        }
    }
}
