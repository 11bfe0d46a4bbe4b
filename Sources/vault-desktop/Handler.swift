#if Desktop
    internal import CGio

    /// A closure for C, which gives a pointer back with each call.
    final class Handler<Argument> {
        let handle: (Argument) -> Void

        init(_ handle: @escaping (Argument) -> Void) { self.handle = handle }

        /// The pointer for C, which holds the closure until `release`.
        func retained() -> gpointer { Unmanaged.passRetained(self).toOpaque() }

        static func of(_ pointer: gpointer?) -> Handler {
            guard let pointer else { preconditionFailure("vault-desktop: GLib has lost a pointer") }
            return Unmanaged<Handler>.fromOpaque(pointer).takeUnretainedValue()
        }

        /// C does not hold the closure any more.
        static func release(_ pointer: gpointer?) { Unmanaged.passUnretained(of(pointer)).release() }

        /// The closure, which C does not hold any more.
        static func taken(_ pointer: gpointer?) -> Handler {
            let handler = of(pointer)
            Unmanaged.passUnretained(handler).release()
            return handler
        }
    }
#endif
