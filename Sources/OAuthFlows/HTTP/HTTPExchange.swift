package import VaultCrypto

/// One HTTP request and its answer; the seam between the flows and the network.
///
/// A flow decides by what the exchange says about the *request*, not only by the answer: a refresh token whose request
/// never left may be spent again, one whose answer was lost may not.
package protocol HTTPExchange: Sendable {
    /// Sends `request` once, follows no redirect, and reads the whole answer.
    ///
    /// - Throws: `HTTPFailure`, which says whether anything was sent.
    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse

    /// How far away a URL's host is by the addresses that its name has now: the nearest of them counts.
    ///
    /// - Throws: `HTTPFailure` where the name cannot be resolved.
    func reach(of url: EndpointURL) async throws(HTTPFailure) -> FoundReach
}

extension HTTPExchange {
    /// By the URL's text alone, for an exchange that resolves no names.
    package func reach(of url: EndpointURL) async throws(HTTPFailure) -> FoundReach {
        FoundReach(reach: url.reach, isByAddress: false)
    }
}

/// How far away a host was found to be.
package struct FoundReach: Sendable, Hashable {
    package let reach: Reach
    /// Whether its addresses were looked at, rather than its text alone; behind a proxy that is the proxy's to do.
    package let isByAddress: Bool

    package init(reach: Reach, isByAddress: Bool) { (self.reach, self.isByAddress) = (reach, isByAddress) }
}

/// A request to one endpoint.
package struct HTTPRequest: Sendable {
    /// What is asked for.
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
    }

    package var method: Method
    package var url: EndpointURL
    /// Header fields beside `Host`, `Content-Length`, `Accept-Encoding: identity` and `Connection`.
    package var fields: [(name: String, value: String)] = []
    package var body: SharedSecret?
    /// Called once the connection stands, immediately before the first byte of the body is written, or of the head
    /// where there is no body.
    ///
    /// What it throws stops the request, and the failure says that nothing was sent.
    package var beforeSending: (@Sendable () throws -> Void)?
    /// For connecting, TLS included.
    package var connectTimeout: Duration = .seconds(10)
    /// For the whole exchange.
    package var timeout: Duration = .seconds(30)
    /// The largest answer that is read; a longer one is a failure.
    package var maximumBodyBytes = 1 << 20
    /// Whether only status and fields matter: the answer's body is left unread, however long it is.
    package var isHeadEnough = false

    package init(_ method: Method, _ url: EndpointURL) {
        self.method = method
        self.url = url
    }
}

/// An answer, whatever its status.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var fields: [(name: String, value: String)]
    package var body: SharedSecret
    /// Whether the answer stated its own length (RFC 9112 §6.3); one that ends where the connection does may have been
    /// cut without anyone noticing.
    package var isDelimited = true

    package init(status: Int, fields: [(name: String, value: String)], body: SharedSecret) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// The values of the fields of that name, in any case, in order.
    package func values(of name: String) -> [String] {
        fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }
}

/// Why there is no answer.
package struct HTTPFailure: Error, Sendable {
    /// Whether any byte of the request may have reached the server: of the body, or of the head where there is no body.
    package let wasSent: Bool
    /// What failed, without the URL's query and without any body.
    package let message: String
    /// Whether the request was refused here as unsafe, so that trying again changes nothing.
    package let isRefusal: Bool

    package init(wasSent: Bool, _ message: String, isRefusal: Bool = false) {
        self.wasSent = wasSent
        self.message = message
        self.isRefusal = isRefusal
    }
}
