// What a service manager starts: takes its sockets, says that it is ready, and answers one connection with their number.

import Glibc
import KeyringProtocol
import VaultAPI
import VaultAgent

do {
    let sockets = try ServiceManager.takeSockets(processEnvironment())
    let left = processEnvironment().keys.filter { $0.hasPrefix("LISTEN_") }
    guard let socket = sockets.first, left.isEmpty, fcntl(socket, F_GETFD) & FD_CLOEXEC != 0 else { exit(1) }
    ServiceManager.notify("READY=1", processEnvironment())
    let connection = accept(socket, nil, nil)
    let answer = Array("\(sockets.count)\n".utf8)
    exit(write(connection, answer, answer.count) == answer.count ? 0 : 1)
} catch {
    print(error)
    exit(error.code.exitStatus)
}
