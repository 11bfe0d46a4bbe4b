#!/usr/bin/python3
"""Runs a command on a pseudo-terminal and has a conversation with it: terminal.py COMMAND [ARGUMENT…]

Standard input is a JSON array of pairs: a text to wait for, and what is typed once it was shown. "@CODE@" in what is
typed stands for the recovery code that was shown last. Prints what came of it as one JSON object. The command's
standard output is kept apart from what the terminal shows. Nothing here sleeps.
"""
import fcntl
import json
import os
import pty
import re
import select
import sys
import tempfile
import termios
import time

PATIENCE = 60
CODE = re.compile(r"(?:[0-9A-Z]{5}-){5}[0-9A-Z]{5}")

script = json.load(sys.stdin)
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
output = tempfile.TemporaryFile()

process = os.fork()
if process == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor, place in ((slave, 0), (output.fileno(), 1), (slave, 2)):
        os.dup2(descriptor, place)
    os.closerange(3, 64)
    os.execvp(sys.argv[1], sys.argv[1:])

end = os.pidfd_open(process)
deadline = time.monotonic() + PATIENCE
shown = ""
looked = 0
missing = [text for text, _ in script]
while True:
    ready, _, _ = select.select([master, end], [], [], max(0, deadline - time.monotonic()))
    if not ready:
        os.kill(process, 9)
        break
    if master in ready:
        shown += os.read(master, 65536).decode(errors="replace")
    elif end in ready:
        break
    while missing and missing[0] in shown[looked:]:
        looked = shown.index(missing[0], looked) + len(missing[0])
        text = script[len(script) - len(missing)][1]
        missing.pop(0)
        codes = CODE.findall(shown)
        os.write(master, text.replace("@CODE@", codes[-1] if codes else "").encode())

_, status = os.waitpid(process, 0)
output.seek(0)
json.dump(
    {
        "status": os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status),
        "shown": shown,
        "output": output.read().decode(errors="replace"),
        "restored": termios.tcgetattr(slave) == before,
        "missing": missing,
    },
    sys.stdout,
)
