#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import KeyringProtocol

    /// What a search found, in all collections.
    struct Matches {
        /// The keys that could be read, at most as many as an answer carries.
        var keys: [FoundKey] = []
        /// The object paths of all items, good until the service restarts.
        var paths: [String] = []
        /// The object paths of those that say they are locked.
        var locked: [String] = []
        /// How many have no value that could be read.
        var unread = 0
    }

    extension ServiceSession {
        /// Searches once, without unlocking anything.
        ///
        /// - Parameter unlocked: The items have just been unlocked: ask for the values of those, too, that say otherwise,
        ///   as kwalletd5 does.
        func search(_ slot: Slot, loadingKeys: Bool, unlocked: Bool = false) throws(Failure) -> Matches {
            let flags = SECRET_SEARCH_ALL.rawValue | (loadingKeys ? SECRET_SEARCH_LOAD_SECRETS.rawValue : 0)
            let list = try reporting("search the keyring") { error in
                slot.withSearch { schema, attributes in
                    secret_service_search_sync(service, schema, attributes, SecretSearchFlags(flags), nil, error)
                }
            }
            defer { g_list_free_full(list) { g_object_unref($0) } }
            var matches = Matches()
            var next = list
            while let node = next {
                next = node.pointee.next
                guard let data = node.pointee.data else { continue }
                let item = data.assumingMemoryBound(to: SecretItem.self)
                let proxy = data.assumingMemoryBound(to: GDBusProxy.self)
                matches.paths.append(String(cString: g_dbus_proxy_get_object_path(proxy)))
                let isLocked = secret_item_get_locked(item) != 0
                if isLocked { matches.locked.append(String(cString: g_dbus_proxy_get_object_path(proxy))) }
                guard loadingKeys else { continue }
                if isLocked, unlocked { _ = secret_item_load_secret_sync(item, nil, nil) }
                guard let value = secret_item_get_secret(item) else {
                    matches.unread += 1
                    continue
                }
                defer { secret_value_unref(UnsafeMutableRawPointer(value)) }
                if matches.keys.count < KeyringWire.maximumValues, let key = Self.key(value) {
                    matches.keys.append(key)
                }
            }
            return matches
        }

        /// The key in an item's value; `nil` if it is anything else than the text of one.
        private static func key(_ value: OpaquePointer) -> FoundKey? {
            var length: gsize = 0
            guard let text = secret_value_get(value, &length) else { return nil }
            var key = WipedBytes(zeroed: KeyringWire.keyBytes)
            let valid = key.withUnsafeMutableBytes {
                KeyText.decode(UnsafeRawBufferPointer(start: text, count: Int(length)), into: $0)
            }
            return valid ? FoundKey(key) : nil
        }
    }
#endif
