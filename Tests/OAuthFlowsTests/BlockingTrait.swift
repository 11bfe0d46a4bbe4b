import TestSupport
import Testing

/// Keeps tests that wait for other programs off the threads that all tests share.
struct BlockingTrait: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(BlockingExecutor.shared) { try await function() }
    }
}

extension Trait where Self == BlockingTrait {
    /// The test waits for other programs.
    static var blocking: BlockingTrait { BlockingTrait() }
}
