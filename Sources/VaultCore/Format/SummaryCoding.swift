internal import VaultAPI
internal import VaultCrypto

/// The summary as fields. `Schemas/entry.json` lists the tags.
extension EntrySummary {
    private enum Tag: UInt16, CaseIterable {
        case state = 1
        case provider, issuer, account, scope, tokenType, expiry, issuedAt, createdAt, updatedAt
        case authorizationEndpoint, tokenEndpoint, revocationEndpoint, clientID, clientAuthentication, resource
        case rotation, source, holds, metadata
        case grantType, quirk, host, journal, refreshedAt, refreshFailure, loginOption
        case registeredRedirect, clientSecretExpiresAt, endpointReach, authorizations, registeredScope
        case confirmsUse, program, refresher
    }

    /// The fields, those of a newer version at the end.
    var encodedFields: [UInt8] {
        var writer = ByteWriter()
        func add(_ tag: Tag, _ text: String?) {
            if let text { writer.append(Field(tag: tag.rawValue, bytes: Array(text.utf8))) }
        }
        func add(_ tag: Tag, _ time: Timestamp?) {
            if let time { writer.append(Field(tag: tag.rawValue, bytes: Self.encode(time))) }
        }
        let state = keptState
        add(.state, state.reason.map { "\(state.word) \($0)" } ?? state.word)
        add(.provider, provider)
        add(.issuer, issuer)
        add(.account, account)
        for scope in scopes { add(.scope, scope) }
        add(.tokenType, tokenType)
        switch expiry {
        case .unknown: break
        case .never: add(.expiry, "")
        case .known(let time): add(.expiry, time)
        }
        add(.issuedAt, issuedAt)
        add(.createdAt, createdAt)
        add(.updatedAt, updatedAt)
        add(.authorizationEndpoint, authorizationEndpoint)
        add(.tokenEndpoint, tokenEndpoint)
        add(.revocationEndpoint, revocationEndpoint)
        add(.clientID, clientID)
        add(.clientAuthentication, clientAuthentication)
        add(.resource, resource)
        if rotation != .unknown { add(.rotation, rotation.rawValue) }
        if let source {
            var bytes = ByteWriter()
            bytes.append(source.sha256)
            for text in [source.format, source.pointer, source.path] {
                bytes.append(UInt16(text.utf8.count))
                bytes.append(Array(text.utf8))
            }
            writer.append(Field(tag: Tag.source.rawValue, bytes: bytes.bytes))
        }
        for field in holds.map(\.rawValue).sorted() {
            var bytes = ByteWriter()
            bytes.append(field)
            writer.append(Field(tag: Tag.holds.rawValue, bytes: bytes.bytes))
        }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            var bytes = ByteWriter()
            bytes.append(UInt16(key.utf8.count))
            bytes.append(Array(key.utf8))
            bytes.append(Array(value.utf8))
            writer.append(Field(tag: Tag.metadata.rawValue, bytes: bytes.bytes))
        }
        add(.grantType, grantType)
        for quirk in quirks { add(.quirk, quirk) }
        for host in hosts { add(.host, host) }
        if let journal { writer.append(Field(tag: Tag.journal.rawValue, bytes: journal.encoded)) }
        add(.refreshedAt, refreshedAt)
        if let refreshFailure { writer.append(Field(tag: Tag.refreshFailure.rawValue, bytes: refreshFailure.encoded)) }
        for word in loginOptions { add(.loginOption, word) }
        add(.registeredRedirect, registeredRedirect)
        add(.clientSecretExpiresAt, clientSecretExpiresAt)
        add(.endpointReach, endpointReach)
        if authorizations > 0 { writer.append(Field(tag: Tag.authorizations.rawValue, bytes: [authorizations])) }
        for scope in registeredScopes { add(.registeredScope, scope) }
        if confirmsUse { writer.append(Field(tag: Tag.confirmsUse.rawValue, bytes: [])) }
        for program in programs { add(.program, program) }
        if let refresher { writer.append(Field(tag: Tag.refresher.rawValue, bytes: refresher)) }
        for field in unknownFields { writer.append(field) }
        return writer.bytes
    }

    /// Whether the fields can be written, and read back as they are.
    var isWritable: Bool {
        let texts = Array(metadata.keys) + (source.map { [$0.format, $0.pointer, $0.path] } ?? [])
        guard texts.allSatisfy({ $0.utf8.count <= UInt16.max }) else { return false }
        var kept = self
        (kept.state, kept.sealedState) = (keptState, nil)
        return EntrySummary(id: id, name: name, generation: generation, encodedFields: encodedFields) == kept
    }

    /// Reads the fields; `nil` if one is malformed.
    init?(id: EntryID, name: EntryName, generation: UInt64, encodedFields: [UInt8]) {
        var reader = ByteReader(encodedFields)
        guard let fields = reader.fields(), let epoch = Timestamp(seconds: 0) else { return nil }
        self.init(name: name, createdAt: epoch)
        self.id = id
        self.generation = generation
        for field in fields {
            guard let tag = Tag(rawValue: field.tag) else {
                unknownFields.append(field)
                continue
            }
            guard read(tag, field.bytes) else { return nil }
        }
    }

    private mutating func read(_ tag: Tag, _ bytes: [UInt8]) -> Bool {
        switch tag {
        case .expiry:
            guard let time = Self.time(bytes) else {
                expiry = .never
                return bytes.isEmpty
            }
            expiry = .known(time)
            return true
        case .issuedAt: return Self.set(&issuedAt, Self.time(bytes))
        case .createdAt: return Self.set(&createdAt, Self.time(bytes))
        case .updatedAt: return Self.set(&updatedAt, Self.time(bytes))
        case .source: return Self.set(&source, EntrySource(encoded: bytes))
        case .refreshedAt: return Self.set(&refreshedAt, Self.time(bytes))
        case .clientSecretExpiresAt: return Self.set(&clientSecretExpiresAt, Self.time(bytes))
        case .authorizations:
            guard bytes.count == 1 else { return false }
            authorizations = bytes[0]
            return true
        case .confirmsUse:
            confirmsUse = true
            return bytes.isEmpty
        case .refresher:
            guard bytes.count == 16, refresher == nil else { return false }
            refresher = bytes
            return true
        case .journal: return Self.set(&journal, RefreshJournal(encoded: bytes))
        case .refreshFailure: return Self.set(&refreshFailure, RefreshFailure(encoded: bytes))
        case .holds:
            var reader = ByteReader(bytes)
            guard let number = reader.integer(UInt16.self), reader.isAtEnd else { return false }
            // A secret of a newer version is carried in the secret part; only its mention is dropped here.
            if let field = EntrySecrets.Field(rawValue: number) { holds.insert(field) }
            return true
        case .metadata:
            var reader = ByteReader(bytes)
            guard let length = reader.integer(UInt16.self), let key = reader.read(Int(length)),
                let value = reader.read(bytes.count - reader.position),
                let key = String(validating: key, as: UTF8.self), let value = String(validating: value, as: UTF8.self)
            else { return false }
            metadata[key] = value
            return true
        default:
            guard let text = String(validating: bytes, as: UTF8.self) else { return false }
            return read(tag, text)
        }
    }

    private mutating func read(_ tag: Tag, _ text: String) -> Bool {
        switch tag {
        case .state: return Self.set(&state, EntryState(encoded: text))
        case .rotation: return Self.set(&rotation, Rotation(rawValue: text))
        case .scope: scopes.append(text)
        case .provider: provider = text
        case .issuer: issuer = text
        case .account: account = text
        case .tokenType: tokenType = text
        case .authorizationEndpoint: authorizationEndpoint = text
        case .tokenEndpoint: tokenEndpoint = text
        case .revocationEndpoint: revocationEndpoint = text
        case .clientID: clientID = text
        case .clientAuthentication: clientAuthentication = text
        case .resource: resource = text
        case .grantType: grantType = text
        case .quirk: quirks.append(text)
        case .host: hosts.append(text)
        case .loginOption: loginOptions.append(text)
        case .registeredRedirect: registeredRedirect = text
        case .endpointReach: endpointReach = text
        case .program: programs.append(text)
        case .registeredScope: registeredScopes.append(text)
        default: return false
        }
        return true
    }

    private static func set<Value>(_ target: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        target = value
        return true
    }

    private static func set<Value>(_ target: inout Value?, _ value: Value?) -> Bool {
        target = value
        return value != nil
    }

    private static func encode(_ time: Timestamp) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(time)
        return writer.bytes
    }

    private static func time(_ bytes: [UInt8]) -> Timestamp? {
        var reader = ByteReader(bytes)
        guard let time = reader.timestamp(), reader.isAtEnd else { return nil }
        return time
    }
}

extension EntryState {
    /// Reads `held secondOwner` and the like; `nil` for a state of a newer version, which must not be guessed at.
    init?(encoded text: String) {
        let words = text.split(separator: " ", maxSplits: 1).map(String.init)
        switch (words.first, words.count > 1 ? words[1] : nil) {
        case ("active", nil): self = .active
        case ("suspect", nil): self = .suspect
        case ("held", let reason?):
            guard let reason = HoldReason(rawValue: reason), !reason.isApparent else { return nil }
            self = .held(reason)
        case ("reauthorizationRequired", let reason?): self = .reauthorizationRequired(reason)
        default: return nil
        }
    }
}

extension EntrySource {
    fileprivate init?(encoded bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let sha256 = reader.read(32) else { return nil }
        var texts: [String] = []
        while !reader.isAtEnd {
            guard let length = reader.integer(UInt16.self), let text = reader.read(Int(length)),
                let text = String(validating: text, as: UTF8.self)
            else { return nil }
            texts.append(text)
        }
        guard texts.count == 3 else { return nil }
        self.init(path: texts[2], sha256: sha256, pointer: texts[1], format: texts[0])
    }
}
