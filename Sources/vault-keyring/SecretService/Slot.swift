#if SecretService
    internal import CLibSecret
    internal import DBusValues
    internal import KeyringProtocol

    /// What an item is found by.
    ///
    /// Attributes are not secret and anyone in the session can read them, so there is nothing
    /// in them but two random UUIDs.
    struct Slot {
        /// The name of the schema, which libsecret keeps as the attribute `xdg:schema`.
        static let schemaName = "io.github.vault.KeySlot"

        /// Name and value of each attribute but the schema's name.
        let attributes: [(name: String, value: String)]

        /// The slot a request is about.
        init(_ request: KeyringRequest) {
            attributes = [("vault", Self.text(request.vault)), ("slot", Self.text(request.slot))]
        }

        /// The canonical lower-case text of a UUID (RFC 9562, section 4).
        private static func text(_ uuid: [UInt8]) -> String {
            let digits = Array("0123456789abcdef")
            return uuid.enumerated().reduce(into: "") { text, byte in
                if [4, 6, 8, 10].contains(byte.offset) { text.append("-") }
                text.append(digits[Int(byte.element >> 4)])
                text.append(digits[Int(byte.element & 15)])
            }
        }

        /// Calls `body` with what libsecret's search takes: the schema and a table of attributes.
        func withSearch<Result>(_ body: (UnsafePointer<SecretSchema>, OpaquePointer?) -> Result) -> Result {
            let table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)
            defer { g_hash_table_unref(table) }
            for attribute in attributes {
                g_hash_table_insert(table, g_strdup(attribute.name), g_strdup(attribute.value))
            }
            return Self.schemaName.withCString { name in
                "vault".withCString { vault in
                    "slot".withCString { slot in
                        var schema = SecretSchema()
                        schema.name = name
                        schema.attributes.0 = SecretSchemaAttribute(name: vault, type: SECRET_SCHEMA_ATTRIBUTE_STRING)
                        schema.attributes.1 = SecretSchemaAttribute(name: slot, type: SECRET_SCHEMA_ATTRIBUTE_STRING)
                        return body(&schema, table)
                    }
                }
            }
        }

        /// The attributes as a new item gets them.
        var variant: Variant {
            let all = attributes + [(name: "xdg:schema", value: Self.schemaName)]
            return .dictionary("{ss}", all.map { ($0.name, .string($0.value)) })
        }
    }
#endif
