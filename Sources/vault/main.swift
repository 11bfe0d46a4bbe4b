internal import Glibc

/// The thin front of the command: it finds `vault-main` and becomes it.
let path = "/proc/self/exe"
var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
let count = readlink(path, &buffer, buffer.count - 1)
let own = String(decoding: buffer[..<max(0, count)].map(UInt8.init(bitPattern:)), as: UTF8.self)
let directory = own.lastIndex(of: "/").map { String(own[..<$0]) } ?? "/"
for candidate in [directory + "/vault-main", directory + "/../libexec/vault/vault-main"] {
    execv(candidate, CommandLine.unsafeArgv)
}
let sentence = "vault: error: vault-main was found neither beside this program, nor in ../libexec/vault from there\n"
write(STDERR_FILENO, sentence, sentence.utf8.count)
exit(1)
