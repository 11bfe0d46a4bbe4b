#if SecretService
    internal import DBusValues
    internal import KeyringProtocol

    /// The four requests, done with the Secret Service.
    struct SecretServiceKeyring {
        /// Whether somebody is there to answer a prompt.
        let interactive: Bool

        /// All keys kept for a slot.
        func lookup(_ slot: Slot) throws(Failure) -> [FoundKey] {
            let (matches, _) = try find(slot, loadingKeys: true)
            if !matches.keys.isEmpty { return matches.keys }
            if matches.unread > 0 {
                throw Failure(.locked, "the keyring has the key but does not give it away: it is locked")
            }
            let items = matches.paths.count == 1 ? "one item" : "\(matches.paths.count) items"
            throw Failure(.absent, "the keyring has \(items) for this slot, but no key in it")
        }

        /// Removes all items of a slot, and looks whether they are gone: some services report nothing where they do nothing.
        func delete(_ slot: Slot) throws(Failure) {
            let (matches, session) = try find(slot, loadingKeys: false)
            for path in matches.paths {
                let prompt = try session.call(
                    "delete the key",
                    path,
                    ("Item", "Delete"),
                    [],
                    returning: "(o)"
                )[0].text
                try session.finish("delete the key", prompt: prompt)
            }
            // Twice, as for any other "absent".
            for _ in 0..<2 {
                let left = try ServiceSession(interactive: interactive).search(slot, loadingKeys: false)
                guard left.paths.isEmpty else {
                    throw Failure(.failed, "the keyring still has the key after it was deleted")
                }
            }
        }

        /// The items of a slot, after unlocking what is in the way.
        ///
        /// - Throws: `.absent` after two empty searches in collections known to be open: kwalletd5 loses about one look-up
        ///   in a hundred, and a locked KeePassXC finds nothing.
        private func find(_ slot: Slot, loadingKeys: Bool) throws(Failure) -> (Matches, ServiceSession) {
            for _ in 0..<2 {
                let session = try ServiceSession(interactive: interactive)
                let matches = try find(slot, loadingKeys: loadingKeys, in: session)
                if !matches.paths.isEmpty { return (matches, session) }
            }
            throw Failure(.absent, "the keyring has no key for this slot")
        }

        private func find(_ slot: Slot, loadingKeys: Bool, in session: ServiceSession) throws(Failure) -> Matches {
            let matches = try session.search(slot, loadingKeys: loadingKeys)
            var locked = matches.locked
            if matches.paths.isEmpty {
                let collections = try session.collections()
                guard !collections.isEmpty else {
                    throw Failure(.noDefaultCollection, "the keyring has no collection that could hold the key")
                }
                for collection in collections where try session.isLocked(collection) { locked.append(collection) }
            }
            guard !locked.isEmpty else { return matches }
            do {
                try session.unlock(locked)
            } catch  where !matches.keys.isEmpty {
                // A duplicate is locked and stays so; the ones that can be read are all there is.
                return matches
            }
            return try session.search(slot, loadingKeys: loadingKeys, unlocked: true)
        }
    }
#endif
