/// A JSON text of members in the order given, for the headers and claims of the JWTs this client makes.
func jsonObject(_ members: [(name: String, value: JSONMember)]) -> String {
    let texts = members.map { member in
        switch member.value {
        case .text(let text): "\(jsonString(member.name)):\(jsonString(text))"
        case .number(let number): "\(jsonString(member.name)):\(number)"
        case .object(let members): "\(jsonString(member.name)):\(jsonObject(members))"
        }
    }
    return "{\(texts.joined(separator: ","))}"
}

enum JSONMember {
    case text(String)
    case number(Int64)
    case object([(name: String, value: JSONMember)])
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
