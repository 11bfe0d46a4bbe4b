internal import Glibc
public import VaultCrypto

/// What a header may make this machine spend on passphrases before its MAC can be checked.
///
/// The parameters stand in a header that anyone may have written. libsodium maps memory with MAP_POPULATE, so a
/// forged 4 TiB would meet the OOM killer, not an error.
public struct DerivationLimits: Sendable {
    /// The weakest derivation that is accepted; tests pass a cheaper one.
    public var minimum: PasswordHash
    /// The most memory one derivation may take.
    public var maximumMemoryBytes: UInt64 = 1 << 30
    /// The most one derivation may cost, in passes times bytes.
    public var maximumCost: UInt64 = 4 << 30
    /// The most that all derivations of one command may cost together.
    public var maximumTotalCost: UInt64 = 8 << 30
    /// Whether more than half of the memory at hand may be used.
    public var allowsMemoryPressure = false

    /// The limits of the shipped command.
    public init(minimum: PasswordHash = .interactive) {
        self.minimum = minimum
    }

    /// Refuses a derivation out of bounds.
    ///
    /// - Throws: `.damaged` for what no slot may ask for, `.excessive` where this machine has too little memory.
    public func check(_ derivation: PasswordHash?, of slot: SlotDescription) throws(CustodyError) {
        guard let derivation, derivation.passes >= minimum.passes, derivation.memoryBytes >= minimum.memoryBytes,
            derivation.memoryBytes <= maximumMemoryBytes,
            UInt64(derivation.passes) <= maximumCost / max(derivation.memoryBytes, 1)
        else {
            throw CustodyError(
                .damaged,
                "the slot \(slot.shortID) asks for a key derivation out of bounds "
                    + "(\(derivation?.passes ?? 0) passes over \((derivation?.memoryBytes ?? 0) >> 10) KiB)",
                hint:
                    "vault did not make this header; make a new vault, and bring a backup into it with vault restore FILE"
            )
        }
        guard !allowsMemoryPressure, let available = Self.availableMemory() else { return }
        guard derivation.memoryBytes <= available / 2 else {
            throw CustodyError(
                .excessive,
                "the slot \(slot.shortID) needs \(derivation.memoryBytes >> 20) MiB of memory, more than half of the "
                    + "\(available >> 20) MiB at hand",
                hint: "free some memory, or add --allow-memory"
            )
        }
    }

    /// What the kernel says is available, and what the control group leaves, whichever is less.
    private static func availableMemory() -> UInt64? {
        let system = number(after: "MemAvailable:", in: "/proc/meminfo").map { $0 << 10 }
        return ([system] + groups().map(left)).compactMap { $0 }.min()
    }

    /// The directories of this process's control group and those above it (cgroup v2).
    private static func groups() -> [String] {
        var path = text(after: "0::", in: "/proc/self/cgroup") ?? "/"
        var groups: [String] = []
        while path != "/", !path.isEmpty {
            groups.append("/sys/fs/cgroup" + path)
            path = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        }
        return groups + ["/sys/fs/cgroup"]
    }

    /// What a control group's limit leaves.
    ///
    /// Cached files go when memory is wanted, so they do not count.
    private static func left(in group: String) -> UInt64? {
        guard let limit = number(after: "", in: group + "/memory.max") else { return nil }
        let used = number(after: "", in: group + "/memory.current") ?? 0
        let cached = number(after: "inactive_file ", in: group + "/memory.stat") ?? 0
        let taken = used > cached ? used - cached : 0
        return limit > taken ? limit - taken : 0
    }

    private static func number(after label: String, in path: String) -> UInt64? {
        text(after: label, in: path).flatMap { UInt64($0.drop { $0 == " " }.prefix { $0.isNumber }) }
    }

    /// The rest of the first line that begins with `label`.
    private static func text(after label: String, in path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if text.hasPrefix(label) { return String(text.dropFirst(label.count)) }
        }
        return nil
    }
}
