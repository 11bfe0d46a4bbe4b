/// A field of a sealed summary or header: a tag and its bytes.
package struct TaggedField: Hashable, Sendable {
    package var tag: UInt16
    package var bytes: [UInt8]

    package init(tag: UInt16, bytes: [UInt8]) {
        self.tag = tag
        self.bytes = bytes
    }
}
