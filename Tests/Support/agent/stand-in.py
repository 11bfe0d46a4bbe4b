#!/usr/bin/env python3
"""An agent that does what a healthy one does not.

  stand-in.py SOCKET STEPS [UID]

STEPS is a file with a JSON list; each connection goes through it from the beginning:

  {"read": true}         read a line, and print it
  {"look": true}         print who owns what the client has in /proc, and how large a core file it may leave
  {"send": TEXT}         send that text
  {"bytes": HEX}         send those bytes
  {"repeat": TEXT, "times": N}
  {"wait": SECONDS}
  {"hold": true}         say nothing more until the client goes away
  {"close": true}

With UID it listens as that user. It prints "ready" when it listens, and ends with its standard input.
"""

import json
import os
import socket
import struct
import sys
import threading
import time

path = sys.argv[1]
with open(sys.argv[2], encoding="utf-8") as file:
    steps = json.load(file)
output = threading.Lock()


def tell(line):
    with output:
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


def look(connection):
    process, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    with open(f"/proc/{process}/limits") as limits:
        core = next(line.split()[4] for line in limits if line.startswith("Max core file size"))
    return f"owner {os.stat(f'/proc/{process}/environ').st_uid}, core {core}\n".encode()


def serve(connection):
    with connection, connection.makefile("rb") as lines:
        try:
            for step in steps:
                if "read" in step:
                    tell(lines.readline())
                elif "look" in step:
                    tell(look(connection))
                elif "send" in step:
                    connection.sendall(step["send"].encode())
                elif "bytes" in step:
                    connection.sendall(bytes.fromhex(step["bytes"]))
                elif "repeat" in step:
                    for _ in range(step["times"]):
                        connection.sendall(step["repeat"].encode())
                elif "wait" in step:
                    time.sleep(step["wait"])
                elif "hold" in step:
                    lines.read()
                else:
                    return
        except OSError:
            pass  # the client went away


listener = socket.socket(socket.AF_UNIX)
if len(sys.argv) > 3:
    os.seteuid(int(sys.argv[3]))
listener.bind(path)
listener.listen(64)
tell(b"ready\n")


def accept():
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
