internal import NIOHTTP1

/// What a client is told whose request goes nowhere.
struct Refusal: Error, Sendable {
    let status: HTTPResponseStatus
    /// A sentence, and what to do next; no token and nothing of a body.
    let text: String
    var fields: [(name: String, value: String)] = []

    init(_ status: HTTPResponseStatus, _ text: String, fields: [(name: String, value: String)] = []) {
        (self.status, self.text, self.fields) = (status, text, fields)
    }

    var body: String { "vault proxy: \(text)\n" }

    /// The fields of the answer, its length included.
    var headers: HTTPHeaders {
        var headers = HTTPHeaders([("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")])
        headers.add(name: "Content-Length", value: "\(body.utf8.count)")
        for field in fields { headers.add(name: field.name, value: field.value) }
        return headers
    }
}
