internal import StrictJSON
internal import VaultAPI

/// Fetches what anybody may read: metadata of servers, resources and clients.
struct MetadataRequest: Sendable {
    let http: any HTTPExchange
    let log: DiscoveryLog
    let subject: DiscoveryStep.Subject

    /// Of the same origin each, and checked again.
    private static let maximumRedirects = 3

    /// The JSON object at a URL, and where redirects of its origin have led; `nil` on 4xx.
    ///
    /// - Throws: `.unsafe` for a redirect elsewhere or an address that must not be connected to, `.temporary` for every
    ///   other answer.
    func document(at start: EndpointURL) async throws(VaultError) -> JSONDocument? {
        let (response, url) = try await answer(at: start, accept: "application/json")
        switch response.status {
        case 200: break
        case 400..<500:
            log.add(subject, url, .absent(status: response.status))
            return nil
        default:
            throw failed(url, "\(url.withoutQuery) answered \(response.status)")
        }
        do throws(VaultError) {
            let document = try Self.parse(response, of: url, what)
            log.add(subject, url, .found(status: response.status))
            return document
        } catch {
            log.add(subject, url, .failed(error.message))
            throw error
        }
    }

    /// The answer at a URL once redirects are followed.
    ///
    /// - Parameter isHeadEnough: Whether the body is left unread.
    func answer(
        at start: EndpointURL,
        accept: String,
        isHeadEnough: Bool = false
    ) async throws(VaultError) -> (HTTPResponse, EndpointURL) {
        var url = start
        for _ in 0...Self.maximumRedirects {
            var request = HTTPRequest(.get, url)
            request.fields = [("Accept", accept)]
            request.isHeadEnough = isHeadEnough
            let response: HTTPResponse
            do {
                response = try await http.send(request)
            } catch {
                guard !error.isRefusal else { throw refused(url, error.message) }
                throw failed(url, error.message)
            }
            guard [301, 302, 303, 307, 308].contains(response.status) else { return (response, url) }
            let target: EndpointURL
            do throws(VaultError) {
                target = try Self.target(of: response, from: url)
            } catch {
                log.add(subject, url, .refused(error.message))
                throw error
            }
            log.add(subject, url, .redirected(status: response.status, to: target.text))
            url = target
        }
        throw refused(url, "\(start.withoutQuery) is redirected more than \(Self.maximumRedirects) times")
    }

    private var what: String {
        switch subject {
        case .resource: "the resource"
        case .resourceMetadata: "the resource's metadata"
        case .serverMetadata: "the server's metadata"
        case .clientMetadata: "the client's metadata document"
        }
    }

    private func failed(_ url: EndpointURL, _ reason: String) -> VaultError {
        log.add(subject, url, .failed(reason))
        return VaultError(.temporary, "\(what) cannot be had: \(reason)")
    }

    private func refused(_ url: EndpointURL, _ reason: String) -> VaultError {
        log.add(subject, url, .refused(reason))
        return VaultError(.unsafe, reason)
    }

    private static func target(of response: HTTPResponse, from url: EndpointURL) throws(VaultError) -> EndpointURL {
        let locations = response.values(of: "Location")
        guard locations.count == 1, let location = locations.first else {
            throw VaultError(.temporary, "\(url.withoutQuery) is redirected to nowhere")
        }
        let isPath = location.hasPrefix("/") && !location.hasPrefix("//")
        let target = try EndpointURL(
            isPath ? String(url.withoutQuery.dropLast(url.path.count)) + location : location,
            as: "what \(url.withoutQuery) is redirected to,",
            leastReach: url.leastReach
        )
        guard target.origin == url.origin else {
            throw VaultError(.unsafe, "\(url.withoutQuery) is redirected to another origin, \(shownURL(target.origin))")
        }
        return target
    }

    private static func parse(
        _ response: HTTPResponse,
        of url: EndpointURL,
        _ what: String
    ) throws(VaultError) -> JSONDocument {
        let subject = "\(what) at \(url.withoutQuery)"
        let document: JSONDocument
        do throws(VaultError) {
            document = try JSONDocument(response.body, subject: subject)
        } catch {
            throw VaultError(.temporary, error.message, hint: "is there a login page of the network in between?")
        }
        guard document.isAnswer else {
            let levels = JSONDocument.maximumAnswerDepth
            throw VaultError(.temporary, "\(subject) is no JSON object of at most \(levels) levels")
        }
        return document
    }
}

/// Members of metadata, which a server wrote: what should not be there is refused as unsafe.
extension JSONDocument {
    func metadataText(_ name: String) throws(VaultError) -> String? {
        do throws(VaultError) { return try root.fact(name) } catch { throw unsafe(error) }
    }

    func metadataList(_ name: String) throws(VaultError) -> [String]? {
        guard let value = root[name], value.kind != .null else { return nil }
        guard value.kind == .array else { throw unsafe(value.mismatch(expected: "an array")) }
        do throws(VaultError) { return try root.words(name) } catch { throw unsafe(error) }
    }

    func metadataFlag(_ name: String) -> Bool {
        guard let value = root[name], value.kind == .boolean else { return false }
        return value.numberText == "true"
    }

    /// What a member should not be, in terms of a server instead of a file.
    private func unsafe(_ error: VaultError) -> VaultError { VaultError(.unsafe, error.message, underlying: error) }
}
