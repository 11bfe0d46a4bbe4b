import Foundation
import Glibc
import TestSupport
import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 20 and the first section of bad-inputs.md.
struct BrowserLauncherTests {
    private static let url = "https://as.example/authorize?a=b&c=%24d"

    @Test(arguments: [
        ("firefox", [["firefox", url]]), ("firefox %s --new", [["firefox", url, "--new"]]),
        ("a:b --x", [["a", url], ["b", "--x", url]]), ("", []), (" : :", []),
        ("b --u=%s", [["b", "--u=\(url)"]]), ("b %%s", [["b", "%s", url]]),
        // A character of an argument, each of them, and never of a command.
        ("b \"x y\" 'z'", [["b", "\"x", "y\"", "'z'", url]]), ("b;touch /tmp/x", [["b;touch", "/tmp/x", url]]),
        ("b $(touch x)", [["b", "$(touch", "x)", url]]),
        ("b `x` | y > z & w", [["b", "`x`", "|", "y", ">", "z", "&", "w", url]]),
        ("b %action", [["b", "%action", url]]), ("b %", [["b", "%", url]]), ("%s", [["%s", url]]),
    ])
    func splitsAtSpacesAndFillsInTheURL(_ browser: String, _ expected: [[String]]) {
        let launcher = BrowserLauncher(environment: ["BROWSER": browser])
        #expect(launcher.commands(for: Self.url) == expected + [["xdg-open", Self.url]])
    }

    @Test(arguments: [
        "http:$(calc)", "https://a/?x=\"&calc", "https://a/`id`", "https://a/x|y", "https://a/\nb",
        "https://a/\u{202E}b",
        "-rf", "--help", "javascript:alert(1)", "data:text/html,x", "file://localhost/etc/passwd", "smb://host/share",
        "mailto:a@b", "http://127.0.0.1@evil", "https://user:pw@host/", "https://", "https:///x", "https://a b/", "",
        "https://-a/", "https://a:b/", "https://a:99999/", "https://[::1", "https://\u{0}", "https://ä.example/",
        "https://a\\b/", " https://a/", "https://a/{x}", "https://a/<x>", "https://[::1]evil/", "ftp://a/", "//a/",
    ])
    func startsNothingForWhatIsNoURL(_ text: String) throws {
        do {
            try BrowserLauncher(environment: ["BROWSER": "/bin/false"]).launch(text)
            Issue.record("was not refused")
        } catch {
            #expect(error.code == .unsafe)
            #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
        }
    }

    @Test func writesTheURLOutAgain() throws {
        #expect(
            try BrowserURL("HTTPS://As.Example:8443/a;b?x=$(id)&y='z'!*#f").text
                == "https://as.example:8443/a%3Bb?x=%24%28id%29&y=%27z%27%21%2A#f"
        )
        #expect(try BrowserURL("http://[::1]:80/?a=%24").text == "http://[::1]:80/?a=%24")
        let whole = "https://h.example/p?client_id=a&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fc&scope=a+b"
        #expect(try BrowserURL(whole).text == whole)
    }

    @Test func saysThatThereIsNoBrowser() {
        let launcher = BrowserLauncher(environment: ["PATH": "/nonexistent:relative:.", "BROWSER": "./x:nope"])
        #expect(throws: VaultError.self) { try launcher.launch(Self.url) }
    }

    /// Starts a program that writes down how it was started.
    @Test func startsAProgramOfItsOwnAndNothingElse() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "browser-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let program = directory.appending(path: "browser")
        let script = directory.appending(path: "script")
        let report = directory.appending(path: "report")
        try """
        #!/bin/sh
        exec 9>"$REPORT.part"
        for word in "$@"; do echo "arg:$word" >&9; done
        for file in /proc/$$/fd/*; do echo "fd:${file##*/}:$(readlink "$file")" >&9; done
        while read -r line; do case $line in Sig[BI]*) echo "$line" >&9;; esac; done < /proc/$$/status
        echo out; echo err >&2
        mv "$REPORT.part" "$REPORT"
        """.write(to: script, atomically: true, encoding: .utf8)
        // By another process: a program that another test starts just then would inherit the file while it is written
        // here, and no program starts that is open for writing somewhere (ETXTBSY).
        #expect(try Program.run(["/bin/cp", script.path, program.path]).status == 0)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program.path)

        // An open port without close-on-exec, as NIO has it, and signals that vault ignores.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        let listener = try await LoopbackListener.open(LoopbackRedirect()) { _ in false }
        let marker = directory.appending(path: "owned")
        let launcher = BrowserLauncher(environment: [
            "BROWSER": "\(directory.path)/missing:\(program.path) $(touch\t\(marker.path)) ;%action",
            "PATH": "/usr/bin:/bin",
            "REPORT": report.path,
        ])
        try launcher.launch(Self.url)
        try await eventually("the browser has run") { FileManager.default.fileExists(atPath: report.path) }
        await listener.close()

        let lines = try String(contentsOf: report, encoding: .utf8).split(separator: "\n").map(String.init)
        let arguments = lines.filter { $0.hasPrefix("arg:") }.map { String($0.dropFirst(4)) }
        #expect(arguments == ["$(touch\t\(marker.path))", ";%action", Self.url])
        #expect(!FileManager.default.fileExists(atPath: marker.path))
        let descriptors = lines.filter { $0.hasPrefix("fd:") }
        for stream in 0...2 { #expect(descriptors.contains("fd:\(stream):/dev/null")) }
        // 9 is the report, 10 the script as the shell reads it.
        #expect(!descriptors.contains { $0.contains("socket:") || $0.contains("eventpoll") }, "\(descriptors)")
        let signals = lines.filter { $0.hasPrefix("Sig") }
        #expect(signals.count == 2)
        for line in signals {
            // Above 31 are those that the C library keeps to itself.
            let mask = try #require(UInt64(line.suffix(16), radix: 16))
            #expect(mask & 0x7FFF_FFFF == 0, "\(line)")
        }
    }
}
