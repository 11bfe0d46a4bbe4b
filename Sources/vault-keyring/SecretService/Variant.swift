#if SecretService
    internal import CLibSecret

    /// A D-Bus value that counts its references; in C its makers are variadic, or floating, or both.
    final class Variant {
        // Private: a temporary object ends with the expression that takes the pointer out of it, before the call that
        // gets it. `withPointer` holds on.
        private let pointer: OpaquePointer

        /// Takes over a reference, floating or full.
        init(taking pointer: OpaquePointer) { self.pointer = g_variant_take_ref(pointer) }

        deinit { g_variant_unref(pointer) }

        /// The value while `body` runs.
        func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result {
            withExtendedLifetime(self) { body(pointer) }
        }

        static func string(_ text: String) -> Variant { Variant(taking: g_variant_new_string(text)) }

        static func boolean(_ value: Bool) -> Variant { Variant(taking: g_variant_new_boolean(value ? 1 : 0)) }

        /// A value whose type is sent along with it (`v`).
        static func boxed(_ value: Variant) -> Variant {
            value.withPointer { Variant(taking: g_variant_new_variant($0)) }
        }

        static func tuple(_ values: [Variant]) -> Variant {
            withExtendedLifetime(values) {
                Variant(taking: g_variant_new_tuple(values.map { Optional($0.pointer) }, gsize(values.count)))
            }
        }

        static func paths(_ paths: [String]) -> Variant {
            array(of: "o", paths.map { Variant(taking: g_variant_new_object_path($0)) })
        }

        /// A dictionary of type `a{ss}` or `a{sv}`, by the type of its values.
        static func dictionary(_ type: String, _ entries: [(String, Variant)]) -> Variant {
            let entries = entries.map { key, value in
                Variant.string(key).withPointer { key in
                    value.withPointer { Variant(taking: g_variant_new_dict_entry(key, $0)) }
                }
            }
            return array(of: type, entries)
        }

        private static func array(of type: String, _ values: [Variant]) -> Variant {
            let type = g_variant_type_new(type)
            defer { g_variant_type_free(type) }
            return withExtendedLifetime(values) {
                Variant(taking: g_variant_new_array(type, values.map { Optional($0.pointer) }, gsize(values.count)))
            }
        }

        /// A part of a tuple or of an array; there has to be one, since replies are checked against their type.
        subscript(index: Int) -> Variant {
            withPointer { Variant(taking: g_variant_get_child_value($0, gsize(index))) }
        }

        /// What is in a value of type `v`.
        var unboxed: Variant { withPointer { Variant(taking: g_variant_get_variant($0)) } }

        /// Whether it has this D-Bus type.
        func isOf(type: String) -> Bool { withPointer { String(cString: g_variant_get_type_string($0)) } == type }

        /// The text of a string or an object path.
        var text: String { withPointer { String(cString: g_variant_get_string($0, nil)) } }

        /// The truth of a boolean.
        var flag: Bool { withPointer { g_variant_get_boolean($0) != 0 } }

        /// The number of type `u`.
        var number: Int { withPointer { Int(g_variant_get_uint32($0)) } }

        /// The texts of an array of them.
        var texts: [String] { (0..<withPointer { Int(g_variant_n_children($0)) }).map { self[$0].text } }
    }
#endif
