internal import CVaultSystem
@preconcurrency internal import Dispatch
internal import Glibc
internal import OAuthFlows
internal import Synchronization
internal import VaultAPI

/// Speaks to whoever is logging in: on standard error and at the terminal, never on standard output.
struct LoginConversation {
    private let context: Context
    private let opensBrowser: Bool
    private let readsInput: Bool

    /// - Parameters:
    ///   - readsInput: Whether standard input is read for a pasted address though it is no terminal. Otherwise
    ///     it may be anybody's: `while read name; do vault login "$name"; done < names`.
    ///   - readsTerminal: Whether it is read where it is a terminal.
    init(_ context: Context, opensBrowser: Bool, readsInput: Bool = false, readsTerminal: Bool = true) {
        self.context = context
        self.opensBrowser = opensBrowser
        self.readsInput = readsInput || readsTerminal && !context.noInput && isatty(STDIN_FILENO) == 1
    }

    /// Runs a login until it ends, or until somebody ends it with Ctrl-C.
    ///
    /// - Throws: `.interrupted` on SIGINT, SIGTERM and SIGHUP, once the login has closed what it opened.
    func hold<Result: Sendable>(
        _ body: @escaping @Sendable (Interaction) async throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        // Whoever sees the page's address may end the login at once: the watch is there before it begins.
        let (watched, begin) = AsyncStream.makeStream(of: Void.self)
        let login = Task { [interaction] in
            for await _ in watched {}
            do throws(VaultError) {
                return Swift.Result<Result, VaultError>.success(try await body(interaction))
            } catch {
                return .failure(error)
            }
        }
        let watch = InterruptWatch { _ in login.cancel() }
        begin.finish()
        defer { watch.end() }
        let outcome = await login.value
        if let signal = watch.signal, case .failure = outcome {
            // The terminal has shown ^C, and what follows begins a line of its own.
            if isatty(STDERR_FILENO) == 1 { Diagnostics.write("\n") }
            // By its number, as a shell sees it: 130 for Ctrl-C, 143 for SIGTERM.
            Diagnostics.report(VaultError(.interrupted, "the login was interrupted; nothing was stored"))
            exit(128 + Int32(signal))
        }
        return try outcome.get()
    }

    private static let pasted: @Sendable () async -> String? = { await PastedLines.next() }

    /// How a login speaks to the person, for whoever watches for interrupts already.
    var interaction: Interaction {
        let (context, opensBrowser, readsInput) = (context, opensBrowser, readsInput)
        return Interaction(
            show: { (prompt: AuthorizationPrompt) async -> Void in
                Self.show(prompt, context, opensBrowser, readsInput)
            },
            note: { (text: String) -> Void in context.note(text) },
            pastedLine: readsInput ? Self.pasted : nil
        )
    }

    private static func words(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        return seconds < 120 ? "\(seconds) s" : "\(seconds / 60) minutes"
    }

    /// The URL stands on standard error, whole and alone on one line, flushed before the wait.
    private static func show(
        _ prompt: AuthorizationPrompt,
        _ context: Context,
        _ opensBrowser: Bool,
        _ readsInput: Bool
    ) {
        switch prompt {
        case .browser(let url):
            Diagnostics.write("To log in, open this page:\n\n\(Diagnostics.oneLine(url))\n\n")
            if opensBrowser {
                do throws(VaultError) {
                    try BrowserLauncher(environment: context.environment).launch(url)
                } catch {
                    context.note("\(error.message); open the page by hand")
                }
            }
            if !context.quiet {
                let paste = " If the browser is on another machine, paste the address it ends at here."
                Diagnostics.write("Waiting for the login.\(readsInput ? paste : "")\n")
            }
        case .device(let code, let page, let complete, let expiresIn):
            Diagnostics.write("To log in, open this page on any device:\n\n\(Diagnostics.oneLine(page))\n\n")
            Diagnostics.write("and enter the code\n\n    \(Diagnostics.oneLine(code))\n\n")
            if let complete {
                if isatty(STDERR_FILENO) == 1, context.environment["NO_COLOR"] == nil, let picture = QRCode(complete) {
                    Diagnostics.write(picture.lines().joined(separator: "\n") + "\n\n")
                }
                Diagnostics.write("or open this one, which has the code in it:\n\n\(Diagnostics.oneLine(complete))\n\n")
            }
            if !context.quiet {
                Diagnostics.write("Waiting for the login, \(Self.words(expiresIn)) at most.\n")
            }
        }
    }
}

/// Turns SIGINT, SIGTERM and SIGHUP into a call, so that a login can close its port and say what it has done.
final class InterruptWatch: Sendable {
    private let number = Mutex<UInt8?>(nil)
    private let source: any DispatchSourceRead
    private let descriptors: [Int32]

    /// The signal that came, if one did.
    var signal: UInt8? { number.withLock { $0 } }

    init(_ interrupted: @escaping @Sendable (UInt8) -> Void) {
        var descriptors: [Int32] = [-1, -1]
        guard vault_pipe(&descriptors) == 0 else { preconditionFailure("vault: no pipe for signals") }
        self.descriptors = descriptors
        let reader = descriptors[0]
        source = DispatchSource.makeReadSource(fileDescriptor: reader, queue: .global())
        vault_report_interrupts(descriptors[1])
        source.setEventHandler { [weak self] in
            var byte: UInt8 = 0
            guard read(reader, &byte, 1) == 1 else { return }
            self?.number.withLock { $0 = byte }
            interrupted(byte)
        }
        source.resume()
    }

    func end() {
        vault_report_interrupts(-1)
        source.cancel()
        for descriptor in descriptors { close(descriptor) }
    }
}

/// Lines that a person types or pastes while a login waits.
private enum PastedLines {
    private static let longest = 16 * 1024

    /// The next line, or `nil` when there are no more.
    ///
    /// It is read on a thread of its own, which nobody waits for when the login ends otherwise. Such a thread blocks
    /// SIGTTIN, so that a login in the background of a terminal (`vault login x &`) is not stopped: the read fails.
    static func next() async -> String? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: readLine()) }
        }
    }

    private static func readLine() -> String? {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.count < longest {
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return line.isEmpty ? nil : String(decoding: line, as: UTF8.self) }
            if byte == UInt8(ascii: "\n") { break }
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }
}
