/// What another program's items are looked up by: the attributes `service` and, where it is known, `username`.
///
/// Rust's `keyring` and Go's `go-keyring` both keep these two. Only services on the list here are looked up: what else
/// is in a keyring is none of the vault's business, whoever asks.
package struct ForeignQuery: Hashable, Sendable {
    /// The attribute `service`.
    package let service: String
    /// The attribute `username`; `nil` for all of the service's.
    package let account: String?

    /// Names what is looked up.
    package init(service: String, account: String?) {
        self.service = service
        self.account = account
    }

    /// The longest value that is handed over; a program's grants are far shorter.
    package static let maximumValueBytes = 32 << 10
    /// How many bytes of values fit into an answer beside everything else.
    package static let maximumAnswerBytes = 56 << 10

    /// Whether the item may be looked at, in this environment.
    package func isAllowed(in environment: [String: String]) -> Bool {
        if let account, account.utf8.count > KeyringWire.maximumTextBytes { return false }
        switch service {
        case "goose": return account == "secrets"
        case "Codex Auth": return account?.hasPrefix("cli|") ?? false
        case "databricks-cli": return true
        default: break
        }
        // Moat's own variable for the name of its service.
        let moat = environment["MOAT_KEYRING_SERVICE"].flatMap { $0.isEmpty ? nil : $0 } ?? "moat"
        if service == moat { return account == "encryption-key" }
        guard service.hasPrefix("gh:") else { return false }
        let host = service.utf8.dropFirst(3)
        return !host.isEmpty && host.count <= 253
            && host.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The query as a request's value.
    package var encoded: [UInt8] {
        var writer = WireWriter()
        writer.text(service)
        writer.byte(account == nil ? 0 : 1)
        writer.text(account ?? "")
        return writer.written
    }

    /// The query in a request's value.
    package static func parse(_ value: UnsafeRawBufferPointer) throws(KeyringWire.Malformed) -> ForeignQuery {
        var reader = WireReader(value)
        let service = try reader.text()
        let hasAccount = try reader.byte()
        let account = try reader.text()
        try reader.end()
        guard hasAccount <= 1, hasAccount == 1 || account.isEmpty else { throw KeyringWire.Malformed() }
        return ForeignQuery(service: service, account: hasAccount == 1 ? account : nil)
    }
}
