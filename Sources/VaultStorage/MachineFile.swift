internal import Glibc
package import PrivateFiles

/// Random bytes that belong to one directory of locks: `<directory>/machine`, made when they are first asked for.
///
/// They tell machines apart that were made from one image, and containers of one machine.
package enum MachineFile {
    private static let length = 16

    /// The bytes: 16.
    package static func bytes(in directory: String) throws(FileError) -> [UInt8] {
        let path = "\(PrivateFiles.withoutTrailingSlashes(directory))/machine"
        do {
            return try read(path)
        } catch {
            guard error.code == .absent else { throw error }
        }
        try PrivateFiles.makeDirectory(directory)
        do {
            var generator = SystemRandomNumberGenerator()
            let file = try NewFile(for: path)
            try file.write((0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) })
            try file.publish()
        } catch {
            guard error.code == .exists else { throw error }
        }
        return try read(path)
    }

    private static func read(_ path: String) throws(FileError) -> [UInt8] {
        let bytes = try PrivateFiles.open(path).read(upTo: length + 1)
        guard bytes.count == length else {
            throw FileError(.unavailable, path, "has \(bytes.count) bytes, expected \(length)", hint: "remove it")
        }
        return bytes
    }
}
