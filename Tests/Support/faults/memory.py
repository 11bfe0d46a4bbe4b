#!/usr/bin/env python3
"""Looks for secrets in the memory of running programs and in their core dumps.

A secret may only be in memory that dumps leave out (sodium_malloc marks it so), and nowhere once it was let go.
"""

import fcntl
import os
import re
import secrets
import shutil
import stat
import subprocess
import time

from common import Findings, Place, arguments, skip

READ, WRITE, OPEN = 0, 1, 257


class Canary:
    def __init__(self, what):
        self.what, self.text = what, f"{what}-{secrets.token_hex(16)}".encode()


def mappings(pid):
    """Every mapping: first and last address, permissions, flags, name."""
    found = []
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            head = re.match(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$", line)
            if head:
                found.append([int(head[1], 16), int(head[2], 16), head[3], set(), head[4]])
            elif line.startswith("VmFlags:"):
                found[-1][3] = set(line.split()[1:])
    return found


def places(pid, text):
    """Where the text stands in the memory of a process: (kept out of dumps, mapping)."""
    hits = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for first, last, permissions, flags, name in mappings(pid):
            if not permissions.startswith("r") or name in ("[vvar]", "[vsyscall]"):
                continue
            try:
                memory.seek(first)
                data = memory.read(last - first)
            except (OSError, OverflowError, ValueError):
                continue
            hits += [("dd" in flags, f"{first:x} {permissions} {name}")] * data.count(text)
    return hits


def core(place, pid, *settings):
    """The bytes of a core dump."""
    path = os.path.join(place.root, "core-of-worker")
    commands = [word for setting in settings for word in ("-ex", setting)]
    done = subprocess.run(
        ["gdb", "-nx", "-batch", "-p", str(pid), *commands, "-ex", f"generate-core-file {path}"], capture_output=True, timeout=120,
        env=place.environment,
    )
    if not os.path.exists(path):
        skip(f"gdb makes no core dumps here: {done.stderr[-300:]!r}")
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data


def expect_hidden(findings, where, pid, canaries):
    """All places of the canaries are kept out of dumps, and there is one of each at least."""
    total = 0
    for canary in canaries:
        hits = places(pid, canary.text)
        total += len(hits)
        findings.expect(hits, f"{where}: control: the {canary.what} is nowhere")
        open_places = sorted({place for hidden, place in hits if not hidden})
        findings.expect(not open_places, f"{where}: the {canary.what} is in memory that is dumped: {open_places}")
    return total


def expect_gone(findings, where, pid, canaries):
    for canary in canaries:
        hits = places(pid, canary.text)
        findings.expect(not hits, f"{where}: the {canary.what} is still at {hits[:3]}")


def start(place, *command, prefix=(), **options):
    return subprocess.Popen([*prefix, *command], env=place.environment, cwd=place.root, **options)


def wait_until_blocked(process, number, descriptor=None):
    """Waits until a thread of the process is in that system call (on that descriptor)."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        for task in os.listdir(f"/proc/{process.pid}/task"):
            try:
                with open(f"/proc/{process.pid}/task/{task}/syscall", encoding="ascii") as file:
                    words = file.read().split()
            except OSError:
                continue
            if words[0] == str(number) and (descriptor is None or int(words[1], 16) == descriptor):
                return True
        time.sleep(0.005)
    return False


def worker(place, findings):
    """A program that holds an entry's secrets, then lets go."""
    secret = Canary("secret")
    place.make_vault()
    place.must("set", "static:one", stdin=secret.text)
    process = start(
        place, os.path.join(place.programs, "vault-test-worker"), "hold", "static:one",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        findings.expect(process.stdout.readline() == b"holding 1\n", "the worker does not hold the secret")
        count = expect_hidden(findings, "a program that holds a secret", process.pid, [secret])
        findings.expect(secret.text not in core(place, process.pid), "a core dump holds the secret")
        whole = core(place, process.pid, "set dump-excluded-mappings on", "set use-coredump-filter off")
        findings.expect(whole.count(secret.text) == count, f"control: a whole dump holds it {whole.count(secret.text)} times, memory {count}")
        process.stdin.write(b"\n")
        process.stdin.flush()
        findings.expect(process.stdout.readline() == b"released\n", "the worker does not let go")
        expect_gone(findings, "a program that has let go of a secret", process.pid, [secret])
        whole = core(place, process.pid, "set dump-excluded-mappings on", "set use-coredump-filter off")
        findings.expect(secret.text not in whole, "a whole dump holds a secret that was let go")
    finally:
        process.kill()
        process.communicate()
    return count


def command(place, findings):
    """The command, stopped where it reads or writes."""
    passphrase, secret = Canary("passphrase"), Canary("secret")
    file = place.file("passphrase", passphrase.text + b"\n")
    key = ["--passphrase-file", file]
    place.must("init", "--key", "passphrase", "--kdf", "interactive", "--no-recovery-code", "--no-input", *key)
    place.must("set", "static:one", *key, stdin=secret.text + b"." * 100_000)
    for number in range(40):
        place.must("set", f"static:{number}-" + "x" * 110, *key, stdin=b"x")
    program = os.path.join(place.programs, "vault")
    fifo = os.path.join(place.home, "fifo")
    os.mkfifo(fifo, 0o600)
    new, token = Canary("new secret"), Canary("token")
    folder = os.path.join(place.home, "tokens")
    os.mkdir(folder, 0o700)
    for number in range(30):
        with open(os.path.join(folder, f"server-{number}.json"), "wb") as tokens:
            tokens.write(b'{"access_token":"%s","token_type":"Bearer","refresh_token":"%s","expiry":"2031-01-01T00:00:00Z"}' % (token.text, token.text))
        os.chmod(tokens.name, 0o600)
    url = ["--token-url", "https://as.example/token"]
    checked = 0
    for arguments, number, descriptor, kept, never in (
        (["set", "static:new"], READ, 0, [new], [secret]),
        (["token", "static:one"], WRITE, 1, [secret], []),
        (["show", "static:one", "--reveal", "--json"], WRITE, 1, [secret], []),
        (["list", "--json"], WRITE, 1, [], [secret]),
        (["import", folder, "--dry-run", "--json", *url], WRITE, 1, [], [secret]),
        (["import", folder, "--yes", "--json", *url], WRITE, 1, [], [secret]),
        (["export", place.file("backup"), "--backup-passphrase-file", fifo], OPEN, None, [], [secret]),
    ):
        output, input_end = os.pipe()
        fcntl.fcntl(input_end, fcntl.F_SETPIPE_SZ, 4096)
        process = start(place, program, *arguments, *key, stdin=subprocess.PIPE, stdout=input_end, stderr=subprocess.PIPE)
        os.close(input_end)
        try:
            process.stdin.write(new.text)
            process.stdin.flush()
            name = arguments[0]
            if not findings.expect(wait_until_blocked(process, number, descriptor), f"{name} does not wait: {process.poll()}"):
                continue
            if number == READ:
                # It waits for more than the canary, which it has read.
                while places(process.pid, new.text) == [] and process.poll() is None:
                    time.sleep(0.005)
            expect_hidden(findings, f"vault {name}", process.pid, kept)
            for canary in never:
                findings.expect(not places(process.pid, canary.text), f"vault {name} holds the {canary.what}")
            # These may have been let go by now.
            for canary in (passphrase, token):
                for hidden, where in places(process.pid, canary.text):
                    findings.expect(hidden, f"vault {name}: the {canary.what} is in memory that is dumped: {where}")
            if shutil.which("gdb"):
                dump = core(place, process.pid)
                for canary in (passphrase, secret, new, token):
                    findings.expect(canary.text not in dump, f"a core dump of vault {name} holds the {canary.what}")
            checked += 1
        finally:
            process.kill()
            process.communicate()
            os.close(output)
    return checked


def limits(place, findings):
    """As an ordinary user: no core dumps, and nothing of that user can look inside."""
    programs = os.path.join(place.root, "programs")
    os.mkdir(programs, 0o755)
    for name in ("vault", "vault-main"):
        shutil.copy(os.path.join(place.programs, name), programs)
    os.chmod(place.root, 0o755)
    for folder, directories, files in os.walk(place.home):
        for name in [".", *directories, *files]:
            os.chown(os.path.join(folder, name), 65534, 65534)
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"]
    probe = subprocess.run([*ordinary, os.path.join(programs, "vault"), "--version"], capture_output=True)
    if probe.returncode != 0:
        skip(f"setpriv cannot start a program as another user here: {probe.stderr[:200]!r}")
    vault = [os.path.join(programs, "vault"), "init", "--key", "key-file:" + place.key, "--no-recovery-code", "--no-input"]
    made = place.run(vault, prefix=ordinary)
    findings.expect(made.status == 0, f"init as an ordinary user: {made}")
    process = start(
        place, os.path.join(programs, "vault"), "set", "static:one", prefix=ordinary,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    try:
        findings.expect(wait_until_blocked(process, READ, 0), "vault set does not wait for its input")
        with open(f"/proc/{process.pid}/limits", encoding="ascii") as file:
            core_limit = re.search(r"Max core file size +(\S+)", file.read())
        findings.expect(core_limit and core_limit[1] == "0", f"the limit of core dumps is {core_limit and core_limit[1]}")
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            user = re.search(r"^Uid:\s+(\d+)", file.read(), re.M)
        findings.expect(user and user[1] == "65534", "control: it runs as an ordinary user")
        owner = os.stat(f"/proc/{process.pid}/mem").st_uid
        findings.expect(owner == 0, f"its memory belongs to {owner}: it can be dumped and traced")
        look = subprocess.run([*ordinary, "cat", f"/proc/{process.pid}/environ"], capture_output=True)
        findings.expect(look.returncode != 0, "another program of the user can look inside")
        mode = stat.S_IMODE(os.stat(place.database).st_mode)
        findings.expect(mode == 0o600, f"the vault has mode {mode:o}")
    finally:
        process.kill()
        process.communicate()


def main():
    options = arguments("what")
    if os.getuid() != 0:
        skip("looking into other processes' memory needs root")
    if not shutil.which("gdb"):
        skip("gdb is not installed")
    findings = Findings()
    begin = time.monotonic()
    with Place(options.programs) as place:
        count = {"worker": worker, "command": command, "limits": limits}[options.what](place, findings)
    findings.finish(f"{options.what}: {count or 1} looked at in {time.monotonic() - begin:.1f} s")


main()
