#!/usr/bin/env python3
"""What of the keys is in the agent's memory: while it holds them, after it was told to lock, and as it ends.

  secrecy.py … lock | exit

It looks for every run of 16 bytes of each secret, raw and in base64, of both alphabets and from each of the three
places in a group that the run can begin at.
"""

import base64
import os
import secrets
import shutil
import signal
import struct
import subprocess
import time

from agents import AgentHome, Findings, arguments, skip, token_of, until

RUN = 16


class Runs:
    """Whether some memory gives 16 bytes of a secret away."""

    def __init__(self, *secrets):
        self.pieces, self.runs = set(), set()
        for secret in secrets:
            self.add(secret, RUN)
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                for alignment in range(3):
                    # Only the digits that depend on nothing before or behind; 16 bytes make 20 such digits at least.
                    part = secret[(3 - alignment) % 3:]
                    self.add(encode(part[:len(part) // 3 * 3]), 20)

    def add(self, text, length):
        """Every run holds one of the pieces whole, which are half as long and next to each other: few to look for."""
        half = length // 2
        self.pieces |= {text[start:start + half] for start in range(0, len(text) - half + 1, half)}
        self.runs |= {text[start:start + length] for start in range(len(text) - length + 1)}

    def count(self, data):
        if not any(piece in data for piece in self.pieces):
            return 0
        return sum(run in data for run in self.runs)


def regions(process):
    """The memory that a process has written, in runs of pages."""
    page = os.sysconf("SC_PAGE_SIZE")
    with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as maps, \
            open(f"/proc/{process}/mem", "rb", 0) as memory, open(f"/proc/{process}/pagemap", "rb", 0) as pagemap:
        for line in maps:
            span, permissions = line.split()[:2]
            first, last = (int(word, 16) // page for word in span.split("-"))
            name = (line.rstrip("\n").split(None, 5)[5:] or [""])[0]
            # A file's pages that cannot be written hold what is in the file.
            if name in ("[vvar]", "[vsyscall]", "[vvar_vclock]") or name.startswith("/") and "w" not in permissions:
                continue
            pagemap.seek(first * 8)
            there = [entry >> 62 != 0 for entry in struct.unpack(f"{last - first}Q", pagemap.read((last - first) * 8))]
            start = None
            for index, is_there in enumerate([*there, False]):
                if is_there and start is None:
                    start = index
                elif not is_there and start is not None:
                    memory.seek((first + start) * page)
                    yield f"{span} {permissions} {name}", memory.read((index - start) * page)
                    start = None


def scan(process, wanted):
    """How often each secret's runs stand there, and where."""
    hits = {name: [] for name in wanted}
    size = 0
    for where, data in regions(process):
        size += len(data)
        for name, runs in wanted.items():
            hits[name] += [where] * runs.count(data)
    return hits, size


def data_key(home):
    """The vault's data key, opened by the library in another process."""
    outcome = home.worker("data-key")
    if outcome.status != 0:
        raise SystemExit(f"the worker: {outcome}")
    key = bytes.fromhex(outcome.out.decode().strip())
    if len(key) != 32:
        raise SystemExit("the data key is not 32 bytes")
    return key


def main():
    options = arguments("what")
    if os.getuid() != 0:
        skip("looking into another process's memory needs root")
    findings = Findings()
    begin = time.monotonic()
    with AgentHome(options.programs) as home:
        home.make_vault()
        passphrase = secrets.token_hex(16).encode()
        file = home.file("passphrase", passphrase + b"\n")
        home.must("key", "add", "passphrase", "--kdf", "interactive", "--new-passphrase-file", file, "--no-input")
        tokens = [secrets.token_hex(24).encode() for _ in range(5)]
        for number, token in enumerate(tokens):
            home.must("set", f"static:{number}", stdin=token)
        key = data_key(home)
        with open(home.key, "rb") as contents:
            digits = contents.read().split()[1]
        # The passphrase opens the same data key: unlocked twice, in both ways.
        wanted = {
            "data key": Runs(key), "key file": Runs(bytes.fromhex(digits.decode()), digits),
            "passphrase": Runs(passphrase),
        }
        given = {f"token {number}": Runs(token) for number, token in enumerate(tokens)}
        home.must("unlock", "-q")
        process = home.agent
        for number, token in enumerate(tokens):
            findings.expect(token_of(home.vault("token", f"static:{number}")).encode() == token, "another token")
        os.rename(home.key, home.key + ".away")
        home.must("unlock", "-q", "--lifetime", "8h", "--passphrase-file", file, "--no-input")
        findings.expect(home.agent == process, "another agent")
        hits, size = scan(process, wanted)
        findings.expect(hits["data key"], "control: the data key of an unlocked vault is nowhere")
        print(f"unlocked: {len(set(hits['data key']))} regions of {size >> 20} MiB hold the data key")
        for name in ("key file", "passphrase"):
            findings.expect(not hits[name], f"while unlocked, the {name} is at {hits[name][:3]}")
        if options.what == "lock":
            home.must("lock")
            hits, size = scan(process, wanted)
            check(findings, f"after lock, of {size >> 20} MiB", hits, process, given)
        else:
            at_exit(findings, process, wanted, given)
    findings.finish(f"{options.what}: looked at in {time.monotonic() - begin:.1f} s")


def check(findings, when, hits, process, given):
    for name, places in hits.items():
        findings.expect(not places, f"{when}: the {name} is at {places[:3]}")
    tokens, _ = scan(process, given)
    count = sum(1 for places in tokens.values() if places)
    print(f"{when}: {sum(map(len, hits.values()))} runs of keys, {count} of {len(given)} tokens found")


def at_exit(findings, process, wanted, given):
    """Stops the agent where it enters its last system call."""
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    script = "catch syscall exit_group\nhandle all nostop noprint pass\necho ready\\n\ncontinue\n"
    # At the stop gdb waits until it is told to go on.
    debugger = subprocess.Popen(
        ["gdb", "-nx", "-q", "-p", str(process)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )
    debugger.stdin.write("set pagination off\nset confirm off\n" + script)
    debugger.stdin.flush()
    seen = []
    for line in debugger.stdout:
        seen.append(line)
        if "ready" in line:
            break
    else:
        skip(f"gdb cannot look at the agent here: {seen[-3:]}")
    until(lambda: not is_stopped(process), "the agent to go on")
    os.kill(process, signal.SIGTERM)
    for line in debugger.stdout:
        seen.append(line)
        if "exit_group" in line:
            break
    else:
        skip(f"gdb does not stop at the end: {seen[-3:]}")
    hits, size = scan(process, wanted)
    findings.expect(size > 1 << 20, "control: the memory at the end cannot be read")
    check(findings, f"at exit_group, of {size >> 20} MiB", hits, process, given)
    debugger.stdin.write("kill\nquit\n")
    debugger.stdin.close()
    debugger.stdout.read()
    debugger.wait()


def is_stopped(process):
    with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] in "tT"


main()
