/// A request without its value.
package struct KeyringRequest: Sendable {
    /// What to do.
    package let operation: KeyringOperation
    /// Whether somebody is there to answer a prompt.
    package let interactive: Bool
    /// The vault's UUID, 16 bytes.
    package let vault: [UInt8]
    /// The slot's UUID, 16 bytes.
    package let slot: [UInt8]
    /// What a keyring's own window shows for the item.
    package let label: String

    /// Makes a request; `probe` takes no vault and no slot.
    package init(
        _ operation: KeyringOperation,
        interactive: Bool,
        vault: [UInt8] = [],
        slot: [UInt8] = [],
        label: String = ""
    ) {
        let nobody = [UInt8](repeating: 0, count: KeyringWire.uuidBytes)
        self.operation = operation
        self.interactive = interactive
        self.vault = vault.isEmpty ? nobody : vault
        self.slot = slot.isEmpty ? nobody : slot
        self.label = label
        precondition(self.vault.count == KeyringWire.uuidBytes, "KeyringProtocol: a vault's UUID has 16 bytes")
        precondition(self.slot.count == KeyringWire.uuidBytes, "KeyringProtocol: a slot's UUID has 16 bytes")
    }

    /// The frame up to its value, which has `valueBytes` bytes and is sent right after.
    package func frameHead(valueBytes: Int) -> [UInt8] {
        var writer = WireWriter()
        writer.byte(KeyringWire.version)
        writer.byte(operation.rawValue)
        writer.byte(interactive ? 1 : 0)
        writer.bytes(vault)
        writer.bytes(slot)
        writer.text(label)
        writer.number(valueBytes)
        return writer.frame(followedBy: valueBytes)
    }

    /// The request in a frame's body, and where its value is.
    package static func parse(
        _ body: UnsafeRawBufferPointer
    ) throws(KeyringWire.Malformed) -> (request: KeyringRequest, value: Range<Int>) {
        var reader = WireReader(body)
        guard try reader.byte() == KeyringWire.version,
            let operation = KeyringOperation(rawValue: try reader.byte())
        else { throw KeyringWire.Malformed() }
        let flags = try reader.byte()
        guard flags & ~1 == 0 else { throw KeyringWire.Malformed() }
        let vault = try reader.bytes(KeyringWire.uuidBytes)
        let slot = try reader.bytes(KeyringWire.uuidBytes)
        let label = try reader.text()
        let value = try reader.value()
        try reader.end()
        let request = KeyringRequest(operation, interactive: flags == 1, vault: vault, slot: slot, label: label)
        return (request, value)
    }
}

/// An answer without its values.
package struct KeyringAnswer: Sendable {
    /// How it went.
    package let status: KeyringStatus
    /// What is to be told about it; empty where the status says it all.
    package let sentence: String
    /// Who keeps the keyring, as far as that is known.
    package let backend: String
    /// The label of the default collection.
    package let collection: String

    /// Makes an answer.
    package init(_ status: KeyringStatus, _ sentence: String = "", backend: String = "", collection: String = "") {
        self.status = status
        self.sentence = sentence
        self.backend = backend
        self.collection = collection
    }

    /// The frame up to its first value; each of `values` follows with its length (`valueHead`) before it.
    package func frameHead(values: [Int]) -> [UInt8] {
        var writer = WireWriter()
        writer.byte(KeyringWire.version)
        writer.byte(status.rawValue)
        writer.text(sentence)
        writer.text(backend)
        writer.text(collection)
        writer.number(values.count)
        return writer.frame(followedBy: values.reduce(0) { $0 + 2 + $1 })
    }

    /// What comes before a value of `count` bytes.
    package static func valueHead(_ count: Int) -> [UInt8] {
        var writer = WireWriter()
        writer.number(count)
        return writer.written
    }

    /// The answer in a frame's body, and where its values are.
    package static func parse(
        _ body: UnsafeRawBufferPointer
    ) throws(KeyringWire.Malformed) -> (answer: KeyringAnswer, values: [Range<Int>]) {
        var reader = WireReader(body)
        guard try reader.byte() == KeyringWire.version,
            let status = KeyringStatus(rawValue: try reader.byte())
        else { throw KeyringWire.Malformed() }
        let sentence = try reader.text()
        let backend = try reader.text()
        let collection = try reader.text()
        let count = try reader.number()
        guard count <= KeyringWire.maximumValues else { throw KeyringWire.Malformed() }
        var values: [Range<Int>] = []
        for _ in 0..<count { values.append(try reader.value()) }
        try reader.end()
        return (KeyringAnswer(status, sentence, backend: backend, collection: collection), values)
    }
}
