internal import StrictJSON
internal import VaultAPI

extension VaultError {
    /// What an answer to a request of a login means that is no success.
    ///
    /// - Parameters:
    ///   - subject: What was asked: "the device authorization request".
    ///   - redaction: What the request carried.
    static func refusal(_ response: HTTPResponse, _ subject: String, _ redaction: Redaction) -> VaultError {
        if (300..<400).contains(response.status) {
            return VaultError(
                .unsafe,
                "\(subject) was redirected (status \(response.status)), and requests that prove who the client is follow "
                    + "no redirect"
            )
        }
        // Whatever the body calls it: a server in trouble says nothing about the request.
        let isInTrouble = response.status == 429 || response.status == 408 || response.status >= 500
        let root = response.json("the answer")?.root
        if let code = try? root?.fact("error"), !redaction.isIn(code),
            let known = AuthorizationErrorResponse(
                code,
                (try? root?.fact("error_description")).flatMap(redaction.shown)
            )
        {
            return VaultError(
                isInTrouble ? .temporary : known.failure.code,
                "\(subject) failed: \(known.sentence)",
                hint: isInTrouble ? "try again later" : known.failure.hint
            )
        }
        return VaultError(
            isInTrouble ? .temporary : .configuration,
            "\(subject) failed with status \(response.status)"
        )
    }
}
