/// A JSON text of members in the order given, for the JWTs and requests that this client makes.
func jsonObject(_ members: [(name: String, value: JSONMember)]) -> String { JSONMember.object(members).json }

enum JSONMember {
    case text(String)
    case number(Int64)
    case texts([String])
    case object([(name: String, value: JSONMember)])

    fileprivate var json: String {
        switch self {
        case .text(let text): return jsonString(text)
        case .number(let number): return "\(number)"
        case .texts(let texts): return "[\(texts.map(jsonString).joined(separator: ","))]"
        case .object(let members):
            let texts = members.map { "\(jsonString($0.name)):\($0.value.json)" }
            return "{\(texts.joined(separator: ","))}"
        }
    }
}

/// RFC 8259 §7.
private func jsonString(_ text: String) -> String {
    let escaped = text.unicodeScalars.reduce(into: "") { result, scalar in
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{0}"..<" ":
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return "\"\(escaped)\""
}
