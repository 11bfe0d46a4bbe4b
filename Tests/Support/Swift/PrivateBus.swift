internal import Foundation

/// A session bus and a home of its own, held up by `Tests/Support/keyring/private-bus` for as long as this object lives.
package final class PrivateBus {
    /// What keeps the keyring on it.
    package enum Keeper {
        case realKeyring, lockedRealKeyring, nobody
        case standIn(String)

        fileprivate var options: [String] {
            switch self {
            case .realKeyring: []
            case .lockedRealKeyring: ["--locked"]
            case .nobody: ["--no-keyring"]
            case .standIn(let mode): ["--stand-in", mode]
            }
        }
    }

    /// The variables of a program that runs on this bus.
    package let environment: [String: String]
    private let holder: Program

    package init(_ keeper: Keeper = .realKeyring) throws {
        let command = [Self.supportFile("private-bus")] + keeper.options
        holder = try Program(
            command + ["--", "sh", "-c", "env -0; echo; exec cat >/dev/null"],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"]
        )
        let printed = holder.read { $0.suffix(2) == [0, 10] }
        guard printed.last == 10 else {
            throw Broken(what: "private-bus ended: \(String(decoding: printed, as: UTF8.self))")
        }
        environment = printed.dropLast().split(separator: 0).reduce(into: [:]) { environment, entry in
            let variable = String(decoding: entry, as: UTF8.self).split(separator: "=", maxSplits: 1)
            if variable.count == 2 { environment[String(variable[0])] = String(variable[1]) }
        }
    }

    /// Runs a program on this bus and returns what it printed.
    @discardableResult
    package func run(_ command: [String]) throws -> String {
        let program = try Program(command, environment: environment)
        program.closeInput()
        return String(decoding: program.read(), as: UTF8.self)
    }

    /// A file of `Tests/Support/keyring`.
    package static func supportFile(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../keyring/\(name)").standardized.path()
    }
}
