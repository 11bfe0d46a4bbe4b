#if SecretService
    internal import Glibc
    internal import KeyringProtocol

    extension SecretServiceKeyring {
        /// Whether a key could be kept now, and who would keep it.
        func probe(sandbox: String?) throws(Failure) -> KeyringAnswer {
            let session = try ServiceSession(interactive: interactive)
            let keeper = sandbox ?? session.keeper().flatMap(Self.command)
            let backend = ["Secret Service", keeper.map { "(\($0))" }].compactMap(\.self).joined(separator: " ")
            var label = ""
            do throws(Failure) {
                let collection = try session.defaultCollection()
                label = session.label(of: collection)
                if try session.isLocked(collection) { try session.unlock([collection]) }
                return KeyringAnswer(.ok, backend: backend, collection: label)
            } catch {
                return KeyringAnswer(error.status, error.sentence, backend: backend, collection: label)
            }
        }

        /// A process's name; not asked in a sandbox, where the bus's process numbers mean nothing.
        private static func command(_ process: Int) -> String? {
            guard let file = fopen("/proc/\(process)/comm", "re") else { return nil }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 64)
            guard fgets(&line, Int32(line.count), file) != nil else { return nil }
            let name = line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:))
            return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
        }
    }
#endif
