internal import ArgumentParser
internal import Glibc
internal import OAuthFlows
internal import ResourceProxy
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

struct ProxyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "A local address at which programs reach one resource, with the token added on the way.",
        discussion: """
            Prints the address on the first line and `Bearer SECRET` on the second: what clients are to send as \
            Authorization. The token itself stays here. Then it runs until it is interrupted. A new login is seen without \
            a restart.
            """
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
    var name: String

    @Option(help: ArgumentHelp("The resource that requests go to, or below it.", valueName: "url"))
    var to: String

    @Option(
        help: ArgumentHelp("127.0.0.1:PORT, [::1]:PORT or unix:PATH; port 0 stands for any.", valueName: "address")
    )
    var listen = "127.0.0.1:0"

    @Flag(help: "Start no browser where the resource asks for more scopes; the URL is printed either way.")
    var noBrowser = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if global.json { throw ValidationError("the address and the secret are two lines; leave out --json") }
    }

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let resource = try EndpointURL(to, as: "--to")
        guard !resource.hasDotSegments else {
            throw VaultError(.unsafe, "--to is refused: its path has a . or .. segment")
        }
        var options = ResourceProxy.Options()
        options.listen = try ListenAddress(listen)
        let http = try AsyncHTTPExchange(environment: context.environment, caFile: connection.caFile)
        options.configuration = try http.streamingConfiguration(for: resource)
        // Whoever starts it confirms for as long as it runs; each request is a line of the audit log.
        let broker = try context.broker(try await context.open(), connection, gate: context.gateAskingOnce)
        let stepUp = ScopeStepUp(context, broker, name, connection, opensBrowser: !noBrowser)
        options.stepUp = { await stepUp.run($0) }
        options.report = { error in
            Diagnostics.note(error.hint.map { "\(error.message); \($0)" } ?? error.message)
        }

        let proxy = try await ResourceProxy.open(broker, for: name.description, to: resource, options)
        let interrupts = Interrupts()
        do {
            try Output.print([proxy.address])
            if var secret = proxy.secret {
                try secret.withUTF8 { try Output.print(secret: UnsafeRawBufferPointer($0), prefix: "Bearer ") }
            }
        } catch {
            await proxy.close()
            throw error
        }
        // From here on nobody may be reading standard error, and requests are served all the same.
        Diagnostics.neverWait()
        let signal = await interrupts.next()
        await proxy.close()
        // A refresh that is under way holds signals back until its answer is stored: the one that is sent here comes
        // through when that is done.
        kill(getpid(), Int32(signal))
        _ = await interrupts.next()
        Glibc.exit(128 + Int32(signal))
    }
}

/// SIGINT, SIGTERM and SIGHUP, one after the other.
private struct Interrupts {
    private let watch: InterruptWatch
    private let signals: AsyncStream<UInt8>

    init() {
        let (signals, came) = AsyncStream.makeStream(of: UInt8.self)
        self.signals = signals
        watch = InterruptWatch { came.yield($0) }
    }

    func next() async -> UInt8 {
        for await signal in signals { return signal }
        preconditionFailure("vault: no more signals")
    }
}
