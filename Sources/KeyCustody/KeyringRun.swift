internal import Dispatch
internal import KeyringProtocol
internal import VaultCrypto

/// One run of `vault-keyring`: started, asked one thing, and gone when the answer is there or the time is up.
struct KeyringRun: Sendable {
    let program: String
    let environment: [String: String]
    let deadline: MonotonicDeadline

    /// Asks and waits, without blocking a thread that Swift's tasks share.
    func exchange(
        _ request: KeyringRequest,
        value: SharedSecret?
    ) async throws(KeyringError) -> (answer: KeyringAnswer, values: [SharedSecret]) {
        let result: Result<(answer: KeyringAnswer, values: [SharedSecret]), KeyringError> =
            await withCheckedContinuation { continuation in
                // A queue of its own has a thread of its own for as long as it waits.
                DispatchQueue(label: "vault-keyring").async {
                    continuation.resume(returning: Result { () throws(KeyringError) in try run(request, value) })
                }
            }
        return try result.get()
    }

    private func run(
        _ request: KeyringRequest,
        _ value: SharedSecret?
    ) throws(KeyringError) -> (answer: KeyringAnswer, values: [SharedSecret]) {
        // Killed and reaped when this returns, however it returns.
        let child = try KeyringChild(program: program, environment: environment)
        let head = request.frameHead(valueBytes: value?.count ?? 0)
        try child.send(head.span.bytes, before: deadline)
        try value?.withSecret { (value) throws(KeyringError) in
            try value.withBytes { (bytes) throws(KeyringError) in try child.send(bytes, before: deadline) }
        }
        let length = try receive(KeyringWire.lengthBytes, from: child)
        guard let count = length.withUnsafeBytes({ KeyringWire.bodyCount($0) }) else { throw Self.nonsense }
        let body = try receive(count, from: child)
        return try body.withUnsafeBytes { (body) throws(KeyringError) in try parse(body) }
    }

    private func receive(_ count: Int, from child: borrowing KeyringChild) throws(KeyringError) -> SecretBytes {
        var bytes = try Self.memory { () throws(CryptoError) in try SecretBytes(zeroed: count) }
        try bytes.withUnsafeMutableBytes { (target) throws(KeyringError) in
            try child.receive(into: target, before: deadline)
        }
        return bytes
    }

    private func parse(
        _ body: UnsafeRawBufferPointer
    ) throws(KeyringError) -> (answer: KeyringAnswer, values: [SharedSecret]) {
        let answer: KeyringAnswer
        let ranges: [Range<Int>]
        do { (answer, ranges) = try KeyringAnswer.parse(body) } catch { throw Self.nonsense }
        var values: [SharedSecret] = []
        for range in ranges {
            let bytes = UnsafeRawBufferPointer(rebasing: body[range])
            let secret = try Self.memory { () throws(CryptoError) in try SecretBytes(copying: bytes) }
            values.append(SharedSecret(secret))
        }
        return (answer, values)
    }

    private static let nonsense = KeyringError(
        .failed,
        "vault-keyring answered something that is no answer",
        hint: "see that vault and vault-keyring are of the same version"
    )

    private static func memory(
        _ body: () throws(CryptoError) -> SecretBytes
    ) throws(KeyringError) -> SecretBytes {
        do { return try body() } catch { throw KeyringError(.failed, error.message) }
    }
}
