internal import Crypto
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A server that mcp-remote is started for somewhere.
struct MCPRemoteServer {
    let url: String
    /// `--resource`.
    var resource: String?
    /// `--header`, by name.
    ///
    /// Its value may be a key, and it stands here as text for as long as one file is read: the hash is made of it.
    var headers: [String: String] = [:]

    /// Where MCP clients are told which servers to start.
    private static let configurations = [
        "~/.claude.json", "${CLAUDE_CONFIG_DIR}/.claude.json", "~/.cursor/mcp.json",
        "~/.codeium/windsurf/mcp_config.json",
        "${XDG_CONFIG_HOME:-~/.config}/Claude/claude_desktop_config.json",
        "${XDG_CONFIG_HOME:-~/.config}/Code/User/mcp.json", "${XDG_CONFIG_HOME:-~/.config}/Code/User/settings.json",
        "${XDG_CONFIG_HOME:-~/.config}/VSCodium/User/mcp.json", "${XDG_CONFIG_HOME:-~/.config}/opencode/opencode.json",
        "${XDG_CONFIG_HOME:-~/.config}/zed/settings.json", "${GEMINI_CLI_HOME:-~}/.gemini/settings.json",
        "~/.vscode/mcp.json", "~/.mcp.json",
    ]

    /// The server with that hash: the one that the options name, or one of those configured.
    static func confirmed(by hash: String, in context: ReadingContext) -> MCPRemoteServer? {
        if let named = context.options.resource {
            let server = MCPRemoteServer(url: named)
            if server.hashes.contains(hash) { return server }
        }
        for text in configurations {
            guard let path = (try? PlacePattern(text))?.path(on: context.machine), let root = Companion.read(path),
                let server = root.mcpRemoteServers.first(where: { $0.hashes.contains(hash) })
            else { continue }
            return server
        }
        return nil
    }

    /// MD5 of the URL alone, as older versions have it, and of the URL with what it is started with, joined by bars.
    private var hashes: [String] {
        var parts = [url]
        if let resource { parts.append(resource) }
        if !headers.isEmpty {
            let members = headers.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)):\(Self.quoted($0.value))" }
            parts.append("{\(members.joined(separator: ","))}")
        }
        return [Self.md5(url), Self.md5(parts.joined(separator: "|"))]
    }

    private static func md5(_ text: String) -> String {
        var hash = Insecure.MD5()
        Array(text.utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
        return hexadecimal(Array(hash.finalize()))
    }

    /// As `JSON.stringify` writes what a header can hold.
    private static func quoted(_ text: String) -> String {
        "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    /// Reads the arguments of a command, where the command is mcp-remote.
    init?(arguments: [String]) {
        let program = arguments.firstIndex { $0.split(separator: "/").last?.hasPrefix("mcp-remote") ?? false }
        guard let program else { return nil }
        var rest = arguments[(program + 1)...]
        var found: String?
        while let argument = rest.popFirst() {
            if argument == "--resource" {
                resource = rest.popFirst()
            } else if argument == "--header" {
                guard let header = rest.popFirst(), let colon = header.firstIndex(of: ":") else { continue }
                let value = header[header.index(after: colon)...].drop { $0 == " " }
                headers[String(header[..<colon])] = String(value)
            } else if found == nil, argument.hasPrefix("https://") || argument.hasPrefix("http://") {
                found = argument
            }
        }
        guard let found else { return nil }
        url = found
    }

    /// The server of that URL, started with nothing else.
    init(url: String) { self.url = url }
}

extension JSONValue {
    /// The servers that are started through mcp-remote by a command anywhere in a configuration.
    fileprivate var mcpRemoteServers: [MCPRemoteServer] {
        var servers: [MCPRemoteServer] = []
        var rest = [self]
        while let value = rest.popLast() {
            guard value.kind == .object || value.kind == .array else { continue }
            // Most write a list of arguments behind the command, opencode all of it in one list.
            for name in ["args", "command"] {
                guard let list = value[name], list.kind == .array else { continue }
                let arguments = list.children.map { ((try? $0.fact()) ?? nil) ?? "" }
                let command = ((try? value.fact("command")) ?? nil) ?? ""
                if let server = MCPRemoteServer(arguments: [command] + arguments) { servers.append(server) }
            }
            rest += value.children
        }
        return servers
    }
}
