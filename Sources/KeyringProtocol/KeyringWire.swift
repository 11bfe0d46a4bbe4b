/// What `vault` and its child `vault-keyring` say to each other: the only place that knows it.
///
/// The child is started with one end of a socket pair as descriptor 3. The parent sends a request and waits for the
/// answer; then it may send another. A frame is a length (4 bytes, big-endian, of what follows it, at most 64 KiB) and
/// a body. Numbers are big-endian; a text or a value is its length (2 bytes) and its bytes; nothing may follow the
/// last field.
///
/// ```
/// request   version  operation  flags  vault  slot  label  value
///           1        1          1      16     16    text   value      flags: 1 = somebody is there to answer a prompt
///
/// answer    version  status  sentence  backend  collection  count  value …
///           1        1       text      text     text        2      value
/// ```
///
/// Fields that an operation does not use are empty or zero. Values are raw bytes; the child turns them into base64 and
/// back. They are always last, so that a frame is a public head, which this module makes and parses, and secrets, of
/// which it only ever says where they are: each side keeps them in its own memory and wipes it.
///
/// Both programs come from one build, so there is one version and no negotiation: another version is refused.
package enum KeyringWire {
    /// The version both sides speak.
    package static let version: UInt8 = 1
    /// The child's end of the socket pair.
    package static let descriptor: Int32 = 3
    /// The length of the length.
    package static let lengthBytes = 4
    /// The longest body of a frame, in either direction.
    package static let maximumBodyBytes = 64 << 10
    /// The length of a vault's and of a slot's UUID.
    package static let uuidBytes = 16
    /// The length of a key, the only kind of value there is.
    package static let keyBytes = 32
    /// The longest label or sentence, in bytes.
    package static let maximumTextBytes = 1 << 10
    /// How many matches an answer carries.
    ///
    /// Another program can plant as many duplicates as it likes; beyond this number
    /// they are its problem and that of the other slots.
    package static let maximumValues = 64

    /// The length of the body after these four bytes, or `nil` if they announce more than a frame may hold.
    package static func bodyCount(_ length: UnsafeRawBufferPointer) -> Int? {
        guard length.count == lengthBytes else { return nil }
        let count = length.reduce(0) { $0 << 8 | Int($1) }
        return count <= maximumBodyBytes ? count : nil
    }

    /// A body does not have the form drawn above.
    package struct Malformed: Error {}
}

/// What the child is asked to do.
package enum KeyringOperation: UInt8, Sendable {
    /// Say whether the keyring can be used.
    case probe = 1
    /// Return all values kept for a slot.
    case lookup = 2
    /// Keep a value for a slot, beside whatever is kept for it already.
    case store = 3
    /// Remove all values kept for a slot.
    case delete = 4
    /// Return what another program keeps, without unlocking anything and without asking anybody.
    ///
    /// The request's value is a `ForeignQuery`; the answer's values are pairs, an account's name and what is kept for it.
    case foreign = 5
}

/// How it went.
package enum KeyringStatus: UInt8, Sendable, CaseIterable {
    /// It was done.
    case ok = 0
    /// Nothing is kept for the slot, in collections known to be open.
    case absent = 1
    /// Somebody would have to unlock it.
    case locked = 2
    /// There is no bus, or no Secret Service on it.
    case unavailable = 3
    /// There is a Secret Service without a default collection.
    case noDefaultCollection = 4
    /// The default collection is the one that vanishes with the session.
    case volatile = 5
    /// Somebody said no.
    case dismissed = 6
    /// The environment would send the key somewhere else.
    case refused = 7
    /// Anything else.
    case failed = 8
}
