#if !hasFeature(Embedded)
    internal import CVaultSystem

    extension Front {
        /// Only Swift's full runtime has a backtracer, which prints registers and the memory they point at.
        static func forbidBacktraces() { vault_forbid_backtraces() }
    }
#endif
