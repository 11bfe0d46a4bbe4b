internal import CVaultSystem
internal import Glibc
internal import VaultAPI

/// The environment of a program to come: this process's own, byte for byte, and variables with secrets.
///
/// It is never this process's: nothing that is started on the way gets them.
struct ProgramEnvironment: ~Copyable {
    /// `NAME=value` and a NUL, each in memory of its own.
    private var secrets: [(name: String, text: UnsafeMutableRawBufferPointer)] = []

    deinit {
        for (_, text) in secrets {
            if let base = text.baseAddress { explicit_bzero(base, text.count) }
            text.deallocate()
        }
    }

    /// Sets a variable that is not set here yet, in the place of one that was inherited.
    mutating func set(_ name: String, _ secret: SecretText) {
        let prefix = Array((name + "=").utf8)
        let text = UnsafeMutableRawBufferPointer.allocate(byteCount: prefix.count + secret.count + 1, alignment: 16)
        text.initializeMemory(as: UInt8.self, repeating: 0)
        text.copyBytes(from: prefix)
        secret.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(rebasing: text[prefix.count..<prefix.count + bytes.count])
                .copyMemory(from: bytes)
        }
        secrets.append((name, text))
    }

    /// Becomes the program.
    ///
    /// - Parameter descriptors: What was open when this process started.
    /// - Returns: Why not, as an `errno` value.
    borrowing func become(_ command: [String], keeping descriptors: OpenDescriptors) -> Int32 {
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let entry = next.pointee {
            if !isReplaced(entry) { variables.append(entry) }
            next += 1
        }
        variables += secrets.map { $0.text.baseAddress?.assumingMemoryBound(to: CChar.self) }
        variables.append(nil)
        var arguments = command.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        return vault_become(&arguments, &variables, descriptors.isOpen, Int32(descriptors.isOpen.count))
    }

    private borrowing func isReplaced(_ entry: UnsafePointer<CChar>) -> Bool {
        for (name, _) in secrets where strncmp(entry, name + "=", name.utf8.count + 1) == 0 { return true }
        return false
    }
}

/// Which descriptors are open.
struct OpenDescriptors {
    /// By number.
    let isOpen: [Bool]

    /// Those that are open now.
    static var now: OpenDescriptors {
        var numbers: [Int] = []
        guard let directory = opendir("/proc/self/fd") else { return OpenDescriptors(isOpen: []) }
        let own = Int(dirfd(directory))
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int(name), number != own { numbers.append(number) }
        }
        closedir(directory)
        var isOpen = [Bool](repeating: false, count: (numbers.max() ?? -1) + 1)
        for number in numbers { isOpen[number] = true }
        return OpenDescriptors(isOpen: isOpen)
    }
}
