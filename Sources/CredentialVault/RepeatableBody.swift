internal import AsyncHTTPClient

extension HTTPClientRequest {
    /// Whether its body can be sent a second time: bytes can, a stream that was read cannot.
    ///
    /// AsyncHTTPClient knows it, for its redirects, and says it nowhere in its interface, so this looks at how the body is
    /// kept. The worst that a change there can do is that bytes are taken for a stream, and a 401 is passed on.
    var canBeSentAgain: Bool {
        guard let body else { return true }
        guard let mode = Mirror(reflecting: body).descendant("mode") else { return false }
        guard let form = Mirror(reflecting: mode).children.first else { return false }
        switch form.label {
        case "byteBuffer": return true
        case "sequence":
            return Mirror(reflecting: form.value).descendant("canBeConsumedMultipleTimes") as? Bool ?? false
        default: return false
        }
    }
}
