import Foundation
import Testing

@testable import TokenImport

/// Databases as other programs make them, by another program: Python's sqlite3.
enum SQLiteFixture {
    /// Runs a script with the database open as `db`; the rest of its arguments are in `sys.argv`.
    @discardableResult
    static func run(_ path: String, _ script: String) throws -> String {
        let process = try start(path, script)
        process.process.waitUntilExit()
        let text = String(decoding: process.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        try #require(process.process.terminationStatus == 0)
        return text
    }

    static func start(_ path: String, _ script: String) throws -> (process: Process, input: Pipe, output: Pipe) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "python3", "-c",
            "import sqlite3, sys, os, json\ndb = sqlite3.connect(sys.argv[1], isolation_level=None)\n" + script,
            path,
        ]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        return (process, input, output)
    }

    static let gcloudSchema =
        "db.execute('CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)')\n"

    static func user(_ token: String, _ extra: String = "") -> String {
        """
        {"client_id": "32555940559.apps.googleusercontent.com", "client_secret": "public-EXAMPLE", \
        "refresh_token": "\(token)", "revoke_uri": "https://accounts.google.com/o/oauth2/revoke", \
        "scopes": ["openid", "https://www.googleapis.com/auth/cloud-platform"], \
        "token_uri": "https://oauth2.googleapis.com/token", "type": "authorized_user"\(extra)}
        """
    }

    static func insert(_ account: String, _ value: String) -> String {
        "db.execute('INSERT INTO credentials VALUES (?, ?)', ('\(account)', sqlite3.Binary('''\(value)'''.encode())))\n"
    }
}
