/// Base64 (RFC 4648 §4), with padding.
package func base64(_ bytes: some Sequence<UInt8>) -> String {
    encode(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", padded: true)
}

/// The URL-safe alphabet without padding (RFC 4648 §5, RFC 7515 §2).
package func base64URL(_ bytes: some Sequence<UInt8>) -> String {
    encode(bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", padded: false)
}

private func encode(_ bytes: some Sequence<UInt8>, _ alphabet: StaticString, padded: Bool) -> String {
    var text: [UInt8] = []
    var (bits, count): (UInt32, UInt32) = (0, 0)
    for byte in bytes {
        bits = bits << 8 | UInt32(byte)
        count += 8
        while count >= 6 {
            count -= 6
            text.append(alphabet.utf8Start[Int(bits >> count & 63)])
        }
        bits &= (1 << count) - 1
    }
    if count > 0 { text.append(alphabet.utf8Start[Int(bits << (6 - count) & 63)]) }
    while padded, text.count % 4 != 0 { text.append(UInt8(ascii: "=")) }
    return String(decoding: text, as: UTF8.self)
}
