// vault-desktop listens to the desktop and shows notifications, so that the agent need not: GLib and D-Bus stay out of
// the process that holds keys. It is told no secret. Its lines are described in DesktopSession/DesktopSession.docc.

internal import Glibc
internal import KeyringProtocol

// What the agent left open without close-on-exec is no business of ours.
closefrom(STDERR_FILENO + 1)
// A reader that goes away is an error of that write.
signal(SIGPIPE, SIG_IGN)

#if Desktop
    Desktop(environment: processEnvironment()).run()
#else
    Lines.say("ready")
    var reader = LineReader()
    while reader.read() != nil {}
#endif
