internal import VaultStorage

/// What a conformance case expected and did not find.
public struct ConformanceFailure: Error, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Makes one.
    public init(_ description: String) {
        self.description = description
    }
}

/// Fails the case unless `condition` holds.
func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    guard condition else { throw ConformanceFailure(message()) }
}

/// Fails the case unless the two are equal.
func expectEqual<Value: Equatable>(_ found: Value, _ expected: Value, _ what: @autoclosure () -> String) throws {
    guard found == expected else {
        throw ConformanceFailure("\(what()): found \(found), expected \(expected)")
    }
}

/// Fails the case unless `body` throws a `StoreError` of that code.
func expectRefusal(
    _ code: StoreError.Code,
    _ what: String,
    _ body: () async throws -> Void
) async throws {
    do {
        try await body()
    } catch let error as StoreError where error.code == code {
        return
    } catch {
        throw ConformanceFailure("\(what): refused with another code than expected: \(error)")
    }
    throw ConformanceFailure("\(what): was not refused")
}
