/// A line that a person pasted because the browser runs on another machine, where the redirect leads nowhere.
enum PastedAnswer {
    /// The query in it: of the redirected URL, or by itself; `nil` where it is neither.
    static func query(of line: String, redirect: String) -> String? {
        var text = String(line.drop(while: \.isWhitespace))
        while text.last?.isWhitespace == true { text.removeLast() }
        // Browsers keep what some servers append (`#_=_`).
        if let fragment = text.firstIndex(of: "#") { text = String(text[..<fragment]) }
        guard let mark = text.firstIndex(of: "?") else {
            let names = text.split(separator: "&").map { $0.prefix { $0 != "=" } }
            return names.contains("state") ? text : nil
        }
        let query = String(text[text.index(after: mark)...])
        let base = text[..<mark]
        // Address bars leave the scheme out, and show the slash of a bare origin.
        let isOurs = [redirect, redirect + "/"].contains { base == $0 || "http://\(base)" == $0 }
        return base.isEmpty || isOurs ? query : nil
    }
}
