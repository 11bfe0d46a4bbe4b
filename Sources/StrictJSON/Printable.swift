/// Whether a terminal or a line protocol would do something with the scalar instead of showing it.
package func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
    default: false
    }
}

/// A path or name from outside in a form that a terminal shows as it is, on one line.
package func printable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { shown, scalar in
        if isUnprintable(scalar) {
            shown += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        } else {
            shown.unicodeScalars.append(scalar)
        }
    }
}
