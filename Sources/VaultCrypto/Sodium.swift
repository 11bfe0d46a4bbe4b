internal import CSodium

/// Proof that libsodium is initialised.
///
/// Without `sodium_init()` libsodium may abort or hand out memory without canaries, and a program that forgets it
/// works by luck. Every call of this module into libsodium goes through `Sodium.ready`, so it cannot be forgotten.
enum Sodium {
    /// Initialises on first use, once for the process; traps where that fails, since nothing can be secret then.
    @inline(__always)
    static func ready() { precondition(initialised, "VaultCrypto: sodium_init failed") }

    private static let initialised = sodium_init() >= 0
}

/// Whether this process may lock memory, so that keys cannot reach a swap device.
///
/// `sodium_malloc` hides a failing mlock; this asks with a page of its own (`sodium_mlock`).
public enum MemoryLocking {
    /// `false` where `RLIMIT_MEMLOCK` or the kernel forbids it.
    ///
    /// Asked once.
    public static let works: Bool = {
        Sodium.ready()
        let size = 4096
        guard let page = sodium_malloc(size) else { return false }
        defer { sodium_free(page) }
        // The region is locked already if locking works; locking it again succeeds just then.
        return sodium_mlock(page, size) == 0
    }()
}
