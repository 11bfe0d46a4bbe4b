import Foundation
import Testing

/// Documents against the schemas of the repository.
package enum SchemaCheck {
    private static let schemas = Sandbox.supportFile("../../Schemas")

    /// What the schemas say against documents: arrays of label, schema file and document.
    package static func complaints(_ documents: [[Any]]) throws -> [String] {
        let validator = try Program(["/usr/bin/python3", Sandbox.supportFile("validate.py"), schemas])
        validator.write(String(decoding: try JSONSerialization.data(withJSONObject: documents), as: UTF8.self))
        validator.closeInput()
        let said = validator.read()
        try #require(validator.end() == 0)
        return String(decoding: said, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
