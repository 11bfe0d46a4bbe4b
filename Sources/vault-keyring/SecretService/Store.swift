#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import KeyringProtocol

    extension SecretServiceKeyring {
        /// Keeps a key for a slot, in the default collection.
        ///
        /// Nothing is replaced, ever: replacing another process's item opens a dialog in KeePassXC even where confirmation
        /// is off, and a refusal there looks like "not found".
        func store(_ key: UnsafeRawBufferPointer, for slot: Slot, label: String) throws(Failure) {
            guard key.count == KeyringWire.keyBytes else {
                throw Failure(.failed, "a key has \(KeyringWire.keyBytes) bytes, found \(key.count)")
            }
            let session = try ServiceSession(interactive: interactive)
            let collection = try session.defaultCollection()
            if try session.isLocked(collection) { try session.unlock([collection]) }
            let properties: [(String, Variant)] = [
                ("org.freedesktop.Secret.Item.Label", .boxed(.string(label))),
                ("org.freedesktop.Secret.Item.Attributes", .boxed(slot.variant)),
            ]
            let reply = try session.call(
                "store the key",
                collection,
                ("Collection", "CreateItem"),
                [.dictionary("{sv}", properties), try session.secret(key), .boolean(false)],
                returning: "(oo)"
            )
            try session.finish("store the key", prompt: reply[1].text)
        }
    }

    extension ServiceSession {
        /// A key's text, encrypted for this session.
        fileprivate func secret(_ key: UnsafeRawBufferPointer) throws(Failure) -> Variant {
            var text = WipedBytes(zeroed: KeyText.textCount(key.count))
            text.withUnsafeMutableBytes { KeyText.encode(key, into: $0) }
            // Copies it into memory that libsecret locks, and wipes when the value goes.
            let value = text.withUnsafeBytes {
                secret_value_new($0.baseAddress?.assumingMemoryBound(to: CChar.self), gssize($0.count), "text/plain")
            }
            defer { secret_value_unref(value.map { UnsafeMutableRawPointer($0) }) }
            guard let encoded = secret_service_encode_dbus_secret(service, value) else {
                throw Failure(.failed, "cannot encrypt the key for the keyring")
            }
            return Variant(taking: encoded)
        }
    }
#endif
