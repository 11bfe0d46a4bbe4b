package import VaultAPI

/// What both ends of the agent's socket agree on: JSON-RPC 2.0, one message on each line.
///
/// `Schemas/agent.schema.json` describes every message.
package enum AgentProtocol {
    /// The version of the protocol; a request names it, and an agent that does not speak it says so.
    package static let version: Int64 = 1

    /// The longest request: the largest static secret in base64, and its frame.
    package static let longestRequest = 2 << 20

    /// The longest answer a client takes: a list of a hundred thousand entries.
    package static let longestAnswer = 256 << 20

    /// How long an agent that works may stay silent before it says that it does.
    package static let workingEvery = Duration.milliseconds(400)

    /// How long a client waits for a sign of life.
    package static let longestSilence = Duration.milliseconds(1000)

    /// How long a client waits at most: waiting for somebody else's refresh takes 90 s.
    package static let longestCall = Duration.seconds(150)

    /// JSON-RPC 2.0 §5.1.
    package enum ErrorCode {
        package static let parse: Int64 = -32700
        package static let invalidRequest: Int64 = -32600
        package static let methodNotFound: Int64 = -32601
        package static let invalidParams: Int64 = -32602
        /// A version of the protocol that this agent does not speak.
        package static let version: Int64 = -32099
        /// `-32000` less the exit status that a command would end with.
        package static func of(_ error: VaultError) -> Int64 { -32000 - Int64(error.code.exitStatus) }
    }

    /// A request.
    package static func request(_ method: String, _ params: [(String, WireContent)]) -> WireContent {
        .object([
            ("jsonrpc", .string("2.0")), ("id", .number(1)), ("method", .string(method)),
            ("params", .object([("protocol", .number(version))] + params)),
        ])
    }

    /// The answer to a request that succeeded.
    package static func result(_ id: WireContent, _ result: WireContent) -> WireContent {
        .object([("jsonrpc", .string("2.0")), ("id", id), ("result", result)])
    }

    /// The answer to a request that failed.
    package static func error(_ id: WireContent, _ error: VaultError) -> WireContent {
        failure(
            id,
            ErrorCode.of(error),
            error.message,
            [("exit", .number(Int64(error.code.exitStatus))), ("hint", .optional(error.hint))]
        )
    }

    /// The answer to something that is no request of this protocol.
    package static func failure(
        _ id: WireContent,
        _ code: Int64,
        _ message: String,
        _ data: [(String, WireContent)] = []
    ) -> WireContent {
        var members: [(String, WireContent)] = [("code", .number(code)), ("message", .string(message))]
        if !data.isEmpty { members.append(("data", .object(data))) }
        return .object([("jsonrpc", .string("2.0")), ("id", id), ("error", .object(members))])
    }

    /// What an agent that works on a request says from time to time.
    package static let working = WireContent.object([("jsonrpc", .string("2.0")), ("method", .string("working"))])
}

/// Why there was no answer from the agent.
package enum AgentFailure: Error, Sendable {
    /// No agent listens there; the reason.
    case absent(String)
    /// It does not answer, or not in the protocol; the reason.
    case silent(String)
    /// The socket is not ours, or nobody of ours listens at it; the reason.
    case foreign(String)
    /// It speaks another version, or does not know the method; its version.
    case otherVersion(String)

    /// The failure in a sentence.
    package var sentence: String {
        switch self {
        case .absent(let reason), .silent(let reason), .foreign(let reason): reason
        case .otherVersion(let version):
            "the agent that runs is \(version), and does not know what this vault asks of it"
        }
    }

    /// The failure for a command that cannot do without the agent.
    package var error: VaultError {
        switch self {
        case .absent: VaultError(.unavailable, sentence, hint: "vault unlock starts one")
        case .silent:
            VaultError(.unavailable, sentence, hint: "if it hangs, end it with kill; vault unlock starts another")
        case .foreign: VaultError(.unsafe, sentence, hint: "look at who made it; VAULT_AGENT_SOCK names another")
        case .otherVersion: VaultError(.unavailable, sentence, hint: "vault agent stop, and then vault unlock")
        }
    }
}
