/// What the desktop says that concerns whoever holds keys.
package enum DesktopEvent: Sendable, Hashable {
    /// The machine is about to sleep and waits, some seconds at most, for `DesktopSession.lockedForSleep()`.
    case sleep
    /// The machine is awake again.
    ///
    /// It does not come where `vault-desktop` ended in between: nothing may depend on it.
    case wake
    /// A session of the user's was locked; more than one part of a desktop may say so of one lock.
    case lock
}
