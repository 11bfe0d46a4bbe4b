#if SecretService || Desktop
    internal import CGio

    /// A D-Bus value that counts its references; in C its makers are variadic, or floating, or both.
    package final class Variant {
        // Private: a temporary object ends with the expression that takes the pointer out of it, before the call that
        // gets it. `withPointer` holds on.
        private let pointer: OpaquePointer

        /// Takes over a reference, floating or full.
        package init(taking pointer: OpaquePointer) { self.pointer = g_variant_take_ref(pointer) }

        deinit { g_variant_unref(pointer) }

        /// The value while `body` runs.
        package func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result {
            withExtendedLifetime(self) { body(pointer) }
        }

        package static func string(_ text: String) -> Variant { Variant(taking: g_variant_new_string(text)) }

        package static func boolean(_ value: Bool) -> Variant { Variant(taking: g_variant_new_boolean(value ? 1 : 0)) }

        /// A value whose type is sent along with it (`v`).
        package static func boxed(_ value: Variant) -> Variant {
            value.withPointer { Variant(taking: g_variant_new_variant($0)) }
        }

        package static func tuple(_ values: [Variant]) -> Variant {
            withExtendedLifetime(values) {
                Variant(taking: g_variant_new_tuple(values.map { Optional($0.pointer) }, gsize(values.count)))
            }
        }

        package static func number(_ value: Int) -> Variant {
            Variant(taking: g_variant_new_uint32(UInt32(clamping: value)))
        }

        package static func signed(_ value: Int) -> Variant {
            Variant(taking: g_variant_new_int32(Int32(clamping: value)))
        }

        package static func strings(_ texts: [String]) -> Variant { array(of: "s", texts.map(Variant.string)) }

        package static func paths(_ paths: [String]) -> Variant {
            array(of: "o", paths.map { Variant(taking: g_variant_new_object_path($0)) })
        }

        /// A dictionary of type `a{ss}` or `a{sv}`, by the type of its values.
        package static func dictionary(_ type: String, _ entries: [(String, Variant)]) -> Variant {
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
        package subscript(index: Int) -> Variant {
            withPointer { Variant(taking: g_variant_get_child_value($0, gsize(index))) }
        }

        /// What is in a value of type `v`.
        package var unboxed: Variant { withPointer { Variant(taking: g_variant_get_variant($0)) } }

        /// Whether it has this D-Bus type.
        package func isOf(type: String) -> Bool {
            withPointer { String(cString: g_variant_get_type_string($0)) } == type
        }

        /// What a dictionary of type `a{sv}` has under a key, if that is of this D-Bus type.
        package func value(of key: String, type: String) -> Variant? {
            guard isOf(type: "a{sv}") else { return nil }
            let type = g_variant_type_new(type)
            defer { g_variant_type_free(type) }
            return withPointer { g_variant_lookup_value($0, key, type) }.map(Variant.init(taking:))
        }

        /// The text of a string or an object path.
        package var text: String { withPointer { String(cString: g_variant_get_string($0, nil)) } }

        /// The index of a descriptor, type `h`.
        package var handle: Int32 { withPointer { g_variant_get_handle($0) } }

        /// The truth of a boolean.
        package var flag: Bool { withPointer { g_variant_get_boolean($0) != 0 } }

        /// The number of type `u`.
        package var number: Int { withPointer { Int(g_variant_get_uint32($0)) } }

        /// The texts of an array of them.
        package var texts: [String] { (0..<withPointer { Int(g_variant_n_children($0)) }).map { self[$0].text } }
    }
#endif
