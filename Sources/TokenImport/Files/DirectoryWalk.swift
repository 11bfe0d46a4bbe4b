internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// Finds the files below a directory that may hold tokens, in the order of their names.
///
/// No link is followed: a link leads out of the tree, or around in it.
struct DirectoryWalk {
    /// What may hold tokens.
    private(set) var files: [String] = []
    /// Links to what may hold tokens, and where they lead.
    private(set) var links: [(path: String, target: String)] = []
    /// How many things are neither.
    private(set) var passedOver = 0
    /// What could not be looked at.
    private(set) var failures: [ImportFailure] = []

    private let sniff: TokenSniff
    private var seen = 0
    /// So many files lie between two signs of life.
    private static let progressStep = 500

    init(_ sniff: TokenSniff) { self.sniff = sniff }

    /// Walks a tree, as deep as it goes; what is below it and unreadable is one failure each.
    ///
    /// - Parameter progress: Called now and then with the number of files seen and where the walk is.
    /// - Throws: The error of the directory itself.
    mutating func walk(_ root: String, progress: (Int, String) -> Void) throws(VaultError) {
        var pending = [root]
        while let path = pending.popLast() {
            do throws(VaultError) {
                let listing = try DirectoryListing(path)
                pending += look(at: listing, path, progress).reversed()
            } catch {
                guard path != root else { throw error }
                // A directory that is gone meanwhile is none of anybody's.
                if error.code != .notFound { failures.append(ImportFailure(path: path, error: error)) }
            }
        }
    }

    /// Looks at all in one directory and returns the directories in it.
    private mutating func look(
        at listing: borrowing DirectoryListing,
        _ path: String,
        _ progress: (Int, String) -> Void
    ) -> [String] {
        let above = path == "/" ? "/" : path + "/"
        var below: [String] = []
        for entry in listing.entries {
            let name =
                entry.name ?? String(decoding: entry.bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
            switch entry.kind {
            case .directory where entry.name != nil: below.append(above + name)
            case .regular, .symbolicLink:
                seen += 1
                if seen % Self.progressStep == 0 { progress(seen, path) }
                look(at: entry, above + name, name, listing.descriptor)
            default:
                if entry.name == nil { refuseName(above + name) } else { passedOver += 1 }
            }
        }
        return below
    }

    private mutating func look(at entry: DirectoryListing.Entry, _ path: String, _ name: String, _ directory: Int32) {
        let isLink = entry.kind == .symbolicLink
        switch sniff.look(in: directory, at: entry.bytes, named: name, followingLink: isLink) {
        case .no: passedOver += 1
        case .unreadable(let number) where !isLink:
            let error = VaultError(FileError.system("open", path, number))
            failures.append(ImportFailure(path: path, error: error))
        case .unreadable: passedOver += 1
        case .perhaps where entry.name == nil: refuseName(path)
        case .perhaps where isLink:
            if let target = try? PathResolution.target(of: path) {
                links.append((path, target))
            } else {
                passedOver += 1
            }
        case .perhaps: files.append(path)
        }
    }

    /// An entry remembers a path as text, so one that is none cannot come in.
    private mutating func refuseName(_ path: String) {
        let error = VaultError(
            .unsafe,
            "\(printable(path)) has a name that is no UTF-8, and is not looked at",
            hint: "rename it, then import it"
        )
        failures.append(ImportFailure(path: path, error: error))
    }
}
