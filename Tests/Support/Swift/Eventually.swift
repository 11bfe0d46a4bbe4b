/// Waits until something is so, and fails instead of waiting for ever.
///
/// What happens meanwhile is done by other tasks or programs; the time that passes for real bounds a failure only.
package func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(90)
    while try await !isSo() {
        guard ContinuousClock.now < end else { throw Broken(what: "waited in vain: \(what)") }
        await Task.yield()
    }
}
