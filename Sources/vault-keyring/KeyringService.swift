internal import KeyringProtocol

/// What goes back to the parent.
struct Reply {
    var answer: KeyringAnswer
    var keys: [FoundKey] = []

    /// An answer without keys.
    init(_ status: KeyringStatus, _ sentence: String = "") { answer = KeyringAnswer(status, sentence) }

    /// An answer without keys.
    init(_ answer: KeyringAnswer) { self.answer = answer }

    /// The keys that were found.
    init(keys: [FoundKey]) {
        answer = KeyringAnswer(.ok)
        self.keys = keys
    }
}

/// Why a request could not be done.
struct Failure: Error {
    let status: KeyringStatus
    let sentence: String

    init(_ status: KeyringStatus, _ sentence: String) {
        self.status = status
        self.sentence = sentence
    }
}

/// Answers requests, one at a time.
struct KeyringService {
    private let bus: SessionBus
    private let environment: [String: String]

    init(environment: [String: String]) {
        bus = SessionBus(environment)
        self.environment = environment
    }

    /// The answer to one frame.
    func answer(_ body: borrowing WipedBytes) -> Reply {
        body.withUnsafeBytes { body in
            do throws(KeyringWire.Malformed) {
                let (request, value) = try KeyringRequest.parse(body)
                return answer(request, value: UnsafeRawBufferPointer(rebasing: body[value]))
            } catch {
                return Reply(.failed, "vault-keyring does not understand vault: they are not of the same version")
            }
        }
    }

    private func answer(_ request: KeyringRequest, value: UnsafeRawBufferPointer) -> Reply {
        if let redirection = bus.redirection { return Reply(.refused, redirection) }
        #if SecretService
            if let absence = bus.absence { return Reply(.unavailable, absence) }
            do throws(Failure) {
                let keyring = SecretServiceKeyring(interactive: request.interactive)
                switch request.operation {
                case .probe: return Reply(try keyring.probe(sandbox: bus.sandbox))
                case .lookup: return Reply(keys: try keyring.lookup(Slot(request)))
                case .store: try keyring.store(value, for: Slot(request), label: request.label)
                case .delete: try keyring.delete(Slot(request))
                case .foreign: return Reply(keys: try SecretServiceKeyring.foreign(try query(value)))
                }
                return Reply(.ok)
            } catch {
                return Reply(error.status, error.sentence)
            }
        #else
            return Reply(.unavailable, "vault-keyring was built without Secret Service support")
        #endif
    }

    /// What another program's items are to be found by.
    private func query(_ value: UnsafeRawBufferPointer) throws(Failure) -> ForeignQuery {
        let query: ForeignQuery
        do { query = try ForeignQuery.parse(value) } catch {
            throw Failure(.failed, "vault-keyring does not understand vault: they are not of the same version")
        }
        guard query.isAllowed(in: environment) else {
            throw Failure(.refused, "this service is none of those whose items are looked at")
        }
        return query
    }
}
