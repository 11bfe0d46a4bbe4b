"""What the agent's scripts share: a home with an agent of its own, and raw connections to it."""

import contextlib
import json
import os
import re
import signal
import socket
import sys
import time

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.append(os.path.join(SUPPORT, "refresh"))

from refreshing import (  # noqa: E402, F401
    FUTURE, PAST, Broken, Findings, Home, Running, Server, arguments, fingerprint, skip, text, token_of, until,
)


class AgentHome(Home):
    """A home whose agent, if there is one, ends with it."""

    def move(self, base):
        super().move(base)
        # Short: the address of a socket holds 107 bytes.
        self.socket = os.path.join(self.environment["XDG_RUNTIME_DIR"], "vault", "agent.sock")

    def __exit__(self, *rest):
        for process in agents_of(self):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        super().__exit__(*rest)

    @property
    def agent(self):
        """The process id of the agent that runs; there must be one."""
        found = agents_of(self)
        if len(found) != 1:
            raise Broken(f"{len(found)} agents run")
        return found[0]

    def take_key(self):
        """Takes the key file away: whatever works from now on, the agent has done it."""
        os.rename(self.key, self.key + ".away")

    def give_key(self):
        os.rename(self.key + ".away", self.key)

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(self.socket)
        return connection

    def call(self, method, connection=None, **params):
        """The answer to one request, as a dictionary."""
        with connection or self.connect() as connection:
            connection.sendall(request(method, **params))
            return read_answer(connection.makefile("rb"))


def request(method, identifier=1, **params):
    message = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": {"protocol": 1, **params}}
    return json.dumps(message).encode() + b"\n"


def read_answer(lines):
    """The next line that is no notification."""
    while True:
        line = lines.readline()
        if not line:
            return None
        message = json.loads(line)
        if message.get("method") != "working":
            return message


def agents_of(home):
    """The processes that run as this home's agent."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if words[1:3] == [b"agent", b"run"] and b"HOME=" + home.home.encode() in variables and state not in "ZX":
            found.append(int(name))
    return found


def resident(process):
    """Resident memory in KiB."""
    with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
        return int(re.search(r"^VmRSS:\s+(\d+)", file.read(), re.MULTILINE)[1])


class Timed:
    """How long something took."""

    def __enter__(self):
        self.begin = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self.begin
