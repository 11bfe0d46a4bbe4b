internal import CVaultFront

/// The program that can do everything.
enum VaultMain {
    /// Becomes `vault-main`, which lies beside this program or in `../libexec/vault`.
    static func become() -> Never {
        var own = Bytes(capacity: 4096)
        own.read { front_own_path($0, $1) }
        // An absolute path, or nothing at all.
        while let last = own.text.last, last != UInt8(ascii: "/") { own.removeLast() }
        for place: StaticString in ["vault-main", "../libexec/vault/vault-main"] {
            var path = Bytes(capacity: own.count + 64)
            path.append(own.text)
            path.append(place)
            path.append(0)
            if let start = path.text.baseAddress { front_become(start) }
        }
        var sentence = Bytes(capacity: 128)
        sentence.append("vault: error: vault-main was found neither beside this program, ")
        sentence.append("nor in ../libexec/vault from there\n")
        _ = sentence.write(to: 2)
        front_exit(1)
    }
}
