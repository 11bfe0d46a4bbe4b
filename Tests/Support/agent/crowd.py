#!/usr/bin/env python3
"""Very many clients at once, and such as send what no client sends.

  crowd.py … idle | garbage | tokens
"""

import concurrent.futures
import json
import os
import resource
import socket
import threading
import time

from agents import PAST, AgentHome, Broken, Findings, Server, arguments, read_answer, request, resident, skip, until

# What the agent may have grown by once a crowd is gone, in KiB: its threads, and what lies between other things. The crowd
# itself takes twice as much.
ALLOWED_GROWTH = 32 * 1024
CROWD = 10_000


class GoodClient(threading.Thread):
    """Asks every 10 ms on a connection of its own each time, and notes how long the answer took."""

    def __init__(self, home, findings, longest=1):
        super().__init__()
        self.longest = longest
        self.home, self.findings = home, findings
        self.times, self.stop = [], threading.Event()

    def run(self):
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                answer = self.home.call("token", open_connection(self.home), vault=self.home.vault_directory, name="static:one")
            except OSError as error:
                self.findings.add(f"the good client: {error}")
                answer = {"result": {"access_token": "value"}}
            self.times.append(time.monotonic() - begin)
            if answer is None or answer.get("result", {}).get("access_token") != "value":
                self.findings.add(f"the good client is answered {answer}")
            self.stop.wait(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.join()
        worst = max(self.times)
        self.findings.expect(worst < self.longest, f"the good client waited {worst:.2f} s")
        ordered = sorted(self.times)
        print(
            f"good client: {len(ordered)} answers, median {ordered[len(ordered) // 2] * 1000:.1f} ms, "
            f"99 of 100 within {ordered[len(ordered) * 99 // 100] * 1000:.1f} ms, worst {worst * 1000:.0f} ms"
        )


def open_connection(home):
    """A connection, once the agent has room for it."""
    return until(lambda: attempt(home), "room for a connection")


def attempt(home):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    try:
        connection.connect(home.socket)
    except BlockingIOError:
        connection.close()
        return None
    return connection


def idle(home, findings):
    """Connections that say nothing, begin a line and do not end it, or ask and do not read."""
    kinds = [b"", b"{", b'{"jsonrpc":"2.0","id":1,"method":"tok', b"\n", request("status"), b"x" * 1000]
    connections = []
    with GoodClient(home, findings, home.slowest):
        for number in range(CROWD):
            connection = open_connection(home)
            connections.append(connection)
            try:
                connection.sendall(kinds[number % len(kinds)])
            except OSError:
                pass  # it has had to make room
        peak = resident(home.agent)
        begin = time.monotonic()
        while time.monotonic() - begin < 2:
            home.call("status")
        for connection in connections:
            connection.close()
    return peak


def lines():
    """What no client sends; each with what comes back at least."""
    yield b"\n", True
    yield b"{}\n", True
    yield b"null\n", True
    yield b"[]\n", True
    yield b"[" + request("status").strip() + b"]\n", True
    yield bytes(range(256)).replace(b"\n", b"") + b"\n", True
    yield b"\0" * 4096 + b"\n", True
    yield b"\xff\xfe" * 500 + b"\n", True
    yield b"[" * 1_000_000 + b"\n", True
    yield b'{"a":' * 200_000 + b"\n", True
    yield b'{"jsonrpc":"2.0","id":1,"method":"token","params":{' + b",".join(b'"a%d":1' % n for n in range(50_000)) + b"}}\n", True
    yield b'"' + b"x" * 2_000_000 + b'"\n', True
    yield b"x" * (9 << 20) + b"\n", False
    yield b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True
    yield b"SSH-2.0-x\r\n", True
    for identifier in ("null", "1.5", "-1", '""', '"x"', "{}", "[]", "true", "1e99", "99999999999999999999", '"' + "y" * 1000 + '"'):
        yield b'{"jsonrpc":"2.0","id":%s,"method":"status","params":{"protocol":1}}\n' % identifier.encode(), True
    wrong = (None, True, 0, -1, 1e300, "", "x", [], {}, [[1]], "\0", "../../x", "x" * 100_000)
    for member in ("vault", "name", "min_valid", "rejected", "part", "began", "protocol"):
        for value in wrong:
            yield request("token", **{"vault": "/x", "name": "static:one", member: value}), True
    for method in ("show", "put", "rename", "remove", "logout", "adopt", "authorization", "unlock", "refresh"):
        for value in wrong:
            parameters = {
                name: value for name in (
                    "name", "to", "secret_base64", "directory", "state_base", "configuration", "data_key_base64", "url",
                )
            }
            yield request(method, vault=value, **parameters), True


def garbage(home, findings):
    """Everything of `lines`, from a few at a time, many times over."""
    everything = list(lines())
    refused = threading.Lock()
    counts = {"answered": 0, "hung up": 0}

    def send(item):
        line, wants_answer = item
        with open_connection(home) as connection:
            answer = None
            try:
                connection.sendall(line)
                answer = read_answer(connection.makefile("rb"))
            except OSError:
                pass
            with refused:
                counts["answered" if answer else "hung up"] += 1
            if wants_answer and answer is None:
                findings.add(f"no answer to {line[:80]!r}")
            if not wants_answer and answer is not None:
                findings.add(f"{line[:80]!r} is answered by {answer}")
            text = json.dumps(answer)
            if "value" in text and "access_token" in text:
                findings.add(f"{line[:80]!r} brought out a secret")
        # Half of it, and then nothing more.
        with open_connection(home) as connection:
            try:
                connection.sendall(line[:len(line) // 2])
            except OSError:
                pass

    peak = 0
    with GoodClient(home, findings, home.slowest), concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            list(pool.map(send, everything))
            peak = max(peak, resident(home.agent))
    print(f"garbage: {counts['answered']} answered, {counts['hung up']} hung up on")
    return peak


def tokens(home, findings, server, grant):
    """A thousand who ask for one token that has run out; and again, for one that has not."""
    peak, least = 0, resident(home.agent)
    for wanted in ("expired", "fresh", "fresh"):
        connections = [open_connection(home) for _ in range(1000)]
        line = request("token", vault=home.vault_directory, name="g")
        with GoodClient(home, findings, home.slowest):
            begin = time.monotonic()
            for connection in connections:
                connection.sendall(line)
            answers = [read_answer(connection.makefile("rb")) for connection in connections]
            seconds = time.monotonic() - begin
        given = {answer["result"]["access_token"] for answer in answers if answer and "result" in answer}
        failed = [answer for answer in answers if not answer or "result" not in answer]
        findings.expect(not failed, f"{len(failed)} of 1000 were not given a token: {failed[:2]}")
        findings.expect(len(given) == 1 and grant.access not in given, f"{len(given)} tokens were given")
        findings.expect(len(server.refreshes()) == 1, f"{len(server.refreshes())} requests reached the server")
        held = resident(home.agent)
        peak = max(peak, held)
        for connection in connections:
            connection.close()
        # The first thousand make what later ones use again.
        least = returned(home.agent, least, ALLOWED_GROWTH if wanted == "expired" else 8 * 1024)
        print(f"1000 requests on an {wanted} token: {seconds:.2f} s, resident memory {held} KiB, then {least} KiB")
    return peak


def returned(process, before, growth):
    """What the agent holds once the connections are let go and it has grown by no more than that."""
    until(lambda: len(os.listdir(f"/proc/{process}/fd")) < 64, "the connections to be let go")
    last = before

    def is_little():
        nonlocal last
        last = resident(process)
        return last - before < growth

    try:
        until(is_little, "memory")
    except Broken:
        raise Broken(f"resident memory grew from {before} to {last} KiB and stays there") from None
    return last


def main():
    options = arguments("what")
    findings = Findings()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 200 if options.what == "idle" else 1500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        skip(f"only {hard} files may be open at a time here")
    begin = time.monotonic()
    with Server() as server, AgentHome(options.programs) as home:
        home.make_vault()
        home.must("set", "static:one", stdin=b"value")
        grant = server.grant()
        home.take(grant, endpoint=server.token_endpoint, expiry=PAST)
        home.must("unlock", "-q")
        # Not earlier: the agent would inherit it.
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        # A program built for debugging accepts a thousand connections, or reads a million bytes, in about a second.
        home.slowest = 1 if "release" in options.programs else 10
        process = home.agent
        for _ in range(200):
            home.call("token", vault=home.vault_directory, name="static:one")
        before = resident(process)
        if options.what == "tokens":
            peak = tokens(home, findings, server, grant)
        else:
            peak = {"idle": idle, "garbage": garbage}[options.what](home, findings)
        findings.expect(home.agent == process, "the agent did not live through it")
        after = returned(process, before, ALLOWED_GROWTH)
        print(f"resident memory: {before} KiB before, {peak} KiB at the peak, {after} KiB after")
    findings.finish(f"{options.what} in {time.monotonic() - begin:.1f} s")


main()
