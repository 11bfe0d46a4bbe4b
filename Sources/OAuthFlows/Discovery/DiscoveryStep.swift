internal import Synchronization
internal import VaultAPI

/// One request of a discovery, and what became of it.
package struct DiscoveryStep: Sendable, Hashable {
    /// What was asked for.
    package enum Subject: String, Sendable {
        case resource = "resource"
        case resourceMetadata = "protected_resource_metadata"
        case serverMetadata = "authorization_server_metadata"
        case clientMetadata = "client_id_metadata_document"
    }

    package enum Outcome: Sendable, Hashable {
        /// It is there, with a status.
        case found(status: Int)
        /// It is not, with a status that lets the next place be asked.
        case absent(status: Int)
        /// Led on to another URL, which is the next step.
        case redirected(status: Int, to: String)
        /// No answer, or none that says anything.
        case failed(String)
        /// An answer, or an address, that must not be used.
        case refused(String)
    }

    package let subject: Subject
    package let url: String
    package let outcome: Outcome

    package init(_ subject: Subject, _ url: String, _ outcome: Outcome) {
        (self.subject, self.url, self.outcome) = (subject, url, outcome)
    }
}

/// What a discovery has asked so far, also when it fails.
final class DiscoveryLog: Sendable {
    private let all = Mutex<[DiscoveryStep]>([])

    var steps: [DiscoveryStep] { all.withLock { $0 } }

    func add(_ subject: DiscoveryStep.Subject, _ url: EndpointURL, _ outcome: DiscoveryStep.Outcome) {
        all.withLock { $0.append(DiscoveryStep(subject, url.text, outcome)) }
    }

    /// Says that what was just found is refused for what it holds.
    func refuseLast(_ reason: String) {
        all.withLock { steps in
            guard let last = steps.popLast() else { return }
            steps.append(DiscoveryStep(last.subject, last.url, .refused(reason)))
        }
    }
}
