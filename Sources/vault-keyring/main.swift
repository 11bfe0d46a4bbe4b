// vault-keyring speaks to the desktop's keyring so that vault need not: D-Bus calls can wait for minutes and prompts
// for ever, and this process can be killed. Its protocol is described in KeyringProtocol/KeyringWire.swift; secrets
// travel over that socket alone, never in arguments, variables or the standard streams.

internal import Glibc
internal import KeyringProtocol

guard let channel = Channel() else {
    let sentence = "vault-keyring: this program is started by vault and does nothing when started by hand\n"
    _ = sentence.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(64)
}

// What a program that links the vault left open without close-on-exec is no business of ours or of a keyring's.
closefrom(KeyringWire.descriptor + 1)

// No core file with a key in it. The process stays dumpable in the kernel's sense, since that is also what lets a
// keyring read /proc/PID/exe and tell the user who is asking.
var limit = rlimit()
let core = __rlimit_resource_t(RLIMIT_CORE.rawValue)
if getrlimit(core, &limit) == 0 {
    limit.rlim_cur = 0
    _ = setrlimit(core, &limit)
}

exitWithParent()
let service = KeyringService(environment: processEnvironment())
while let body = channel.receive() {
    let reply = service.answer(body)
    channel.send(reply.answer, keys: reply.keys)
}
