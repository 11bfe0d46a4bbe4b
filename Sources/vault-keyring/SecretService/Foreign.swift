#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import Glibc
    internal import KeyringProtocol

    extension SecretServiceKeyring {
        /// What another program keeps: pairs of an account's name and a value.
        ///
        /// Nothing is unlocked and nobody is asked, whatever the request says: an import is no reason for a prompt.
        ///
        /// - Throws: `.locked` where there is something, or may be, that does not open; `.absent`.
        static func foreign(_ query: ForeignQuery) throws(Failure) -> [FoundKey] {
            let session = try ServiceSession(interactive: false)
            let (pairs, unread) = try session.foreign(query)
            if !pairs.isEmpty { return pairs }
            if unread > 0 { throw Failure(.locked, "the keyring has it but does not give it away: it is locked") }
            for collection in try session.collections() where try session.isLocked(collection) {
                throw Failure(.locked, "the keyring is locked")
            }
            throw Failure(.absent, "the keyring has no such item")
        }
    }

    extension ServiceSession {
        /// Searches once by attributes alone, whatever schema an item has.
        fileprivate func foreign(_ query: ForeignQuery) throws(Failure) -> (pairs: [FoundKey], unread: Int) {
            let attributes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)
            defer { g_hash_table_unref(attributes) }
            g_hash_table_insert(attributes, g_strdup("service"), g_strdup(query.service))
            if let account = query.account { g_hash_table_insert(attributes, g_strdup("username"), g_strdup(account)) }
            let flags = SECRET_SEARCH_ALL.rawValue | SECRET_SEARCH_LOAD_SECRETS.rawValue
            let list = try reporting("search the keyring") { error in
                secret_service_search_sync(service, nil, attributes, SecretSearchFlags(flags), nil, error)
            }
            defer { g_list_free_full(list) { g_object_unref($0) } }
            var pairs: [FoundKey] = []
            var (unread, bytes) = (0, 0)
            var next = list
            while let node = next, pairs.count + 2 <= KeyringWire.maximumValues {
                next = node.pointee.next
                guard let item = node.pointee.data?.assumingMemoryBound(to: SecretItem.self) else { continue }
                guard let value = secret_item_get_secret(item) else {
                    unread += 1
                    continue
                }
                defer { secret_value_unref(UnsafeMutableRawPointer(value)) }
                var length: gsize = 0
                guard let text = secret_value_get(value, &length), length <= ForeignQuery.maximumValueBytes else {
                    continue
                }
                let account = Self.account(of: item)
                guard account.count <= KeyringWire.maximumTextBytes else { continue }
                bytes += Int(length) + account.count + 4
                guard bytes <= ForeignQuery.maximumAnswerBytes else { break }
                pairs.append(account.withUnsafeBytes { FoundKey(copying: $0) })
                pairs.append(FoundKey(copying: UnsafeRawBufferPointer(start: text, count: Int(length))))
            }
            return (pairs, unread)
        }

        /// The attribute `username`; empty where there is none, as gh keeps its active token.
        private static func account(of item: UnsafeMutablePointer<SecretItem>) -> [UInt8] {
            guard let attributes = secret_item_get_attributes(item) else { return [] }
            defer { g_hash_table_unref(attributes) }
            guard let name = g_hash_table_lookup(attributes, "username") else { return [] }
            return Array(String(cString: name.assumingMemoryBound(to: CChar.self)).utf8)
        }
    }

    extension FoundKey {
        fileprivate convenience init(copying bytes: UnsafeRawBufferPointer) {
            var copy = WipedBytes(zeroed: bytes.count)
            copy.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
            self.init(copy)
        }
    }
#endif
