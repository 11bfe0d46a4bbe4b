import OAuthFlows
import StrictJSON
import Synchronization
import VaultAPI
import VaultCrypto

/// Answers with what a test wrote down, in order, and keeps what it was asked.
final class ScriptedExchange: HTTPExchange {
    enum Step: Sendable {
        case answer(Int, [(name: String, value: String)], [UInt8])
        case fail(wasSent: Bool)
    }

    struct Asked: Sendable {
        let method: String
        let url: String
        let fields: [(name: String, value: String)]
        let body: String

        func values(of name: String) -> [String] {
            fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        }
    }

    private let steps: Mutex<[Step]>
    private let log = Mutex<[Asked]>([])
    private let isDelimited: Bool

    init(_ steps: [Step], isDelimited: Bool = true) {
        self.steps = Mutex(steps)
        self.isDelimited = isDelimited
    }

    convenience init(_ status: Int, _ body: String, _ fields: [(name: String, value: String)] = []) {
        self.init([.answer(status, fields, Array(body.utf8))])
    }

    var asked: [Asked] { log.withLock { $0 } }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        do { try request.beforeSending?() } catch { throw HTTPFailure(wasSent: false, "stopped") }
        let body = request.body.map(text) ?? ""
        log.withLock {
            $0.append(
                Asked(method: request.method.rawValue, url: request.url.text, fields: request.fields, body: body)
            )
        }
        switch steps.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
        case .answer(let status, let fields, let bytes):
            var response = HTTPResponse(status: status, fields: fields, body: secret(bytes))
            response.isDelimited = isDelimited
            return response
        case .fail(let wasSent): throw HTTPFailure(wasSent: wasSent, "the network failed")
        case nil: throw HTTPFailure(wasSent: false, "no answer is left in the script")
        }
    }
}

func secret(_ bytes: [UInt8]) -> SharedSecret {
    do { return SharedSecret(try SecretBytes(bytes)) } catch { preconditionFailure("\(error)") }
}

func secret(_ text: String) -> SharedSecret { secret(Array(text.utf8)) }

func text(_ secret: SharedSecret) -> String {
    secret.withBytes { String(decoding: $0, as: UTF8.self) }
}

func url(_ text: String) -> EndpointURL {
    do { return try EndpointURL(text, as: "the test's URL") } catch { preconditionFailure("\(error)") }
}

/// 2026-01-02T03:04:05Z.
let testTime: Timestamp = {
    guard let time = Timestamp(rfc3339: "2026-01-02T03:04:05Z") else { preconditionFailure("no time") }
    return time
}()

let stoppedClock = VaultClock(now: { testTime })
