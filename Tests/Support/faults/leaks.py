#!/usr/bin/env python3
"""Looks for canary tokens and passphrases wherever they must not be: arguments, environments, errors, files, documents."""

import base64
import os
import secrets
import shutil
import sqlite3
import subprocess
import time

from common import Findings, Place, arguments, skip


class Canary:
    """A secret that can be recognised, also in hexadecimal and base64."""

    def __init__(self, what):
        self.what = what
        self.text = f"{what}-{secrets.token_hex(16)}"
        core = self.text[-30:].encode()
        self.forms = [core, core.hex().encode(), core.hex().upper().encode(), core[::-1], core.decode().encode("utf-16-le")]
        for shift in range(3):
            self.forms.append(base64.b64encode(b"x" * shift + core)[4:-6])

    def __str__(self):
        return self.text

    def is_in(self, data):
        return any(form in data for form in self.forms)


class Watch:
    """Runs commands, and looks for canaries in all that they leave."""

    def __init__(self, place, findings, canaries):
        self.place, self.findings, self.canaries = place, findings, canaries
        self.commands = self.programs = self.files = 0

    def run(self, *arguments, stdin=b"", prints=False, status=None):
        """Runs `vault`; its output may hold canaries only where it `prints` them."""
        trace = os.path.join(self.place.root, "trace")
        prefix = ["strace", "-f", "-v", "-s", "1000000", "-e", "trace=execve,execveat", "-o", trace]
        outcome = self.place.vault(*arguments, stdin=stdin, prefix=prefix)
        name = " ".join(arguments).replace(self.place.home, "~")
        with open(trace, "rb") as file:
            calls = file.read()
        os.unlink(trace)
        self.commands += 1
        self.programs += calls.count(b"execve(")
        self.look(calls, f"the arguments or environment of a program of: {name}")
        self.look(outcome.err, f"the standard error of: {name}")
        if not prints:
            self.look(outcome.out, f"the standard output of: {name}")
        if status is not None:
            self.findings.expect(outcome.status in status, f"{name}: {outcome}")
        return outcome

    def look(self, data, where):
        for canary in self.canaries:
            self.findings.expect(not canary.is_in(data), f"{canary.what} in {where}")

    def look_at_files(self, directory, apart_from=()):
        for folder, _, names in os.walk(directory):
            for name in names:
                path = os.path.join(folder, name)
                if path in apart_from or not os.path.isfile(path) or os.path.islink(path):
                    continue
                with open(path, "rb") as file:
                    self.look(file.read(), f"the file {path.replace(self.place.home, '~')}")
                self.look(path.encode(), f"the name of the file {path}")
                self.files += 1


def main():
    options = arguments()
    if not shutil.which("strace"):
        skip("strace is not installed")
    findings = Findings()
    begin = time.monotonic()
    names = ["access", "refresh", "id", "client", "static", "passphrase", "wrong"]
    canaries = {name: Canary(name) for name in names}
    with Place(options.programs) as place:
        place.environment["TMPDIR"] = os.path.join(place.root, "tmp")
        os.mkdir(place.environment["TMPDIR"])
        watch = Watch(place, findings, list(canaries.values()))
        control(findings, canaries["static"])
        elsewhere = set(os.listdir("/tmp")) | set(os.listdir("/dev/shm"))

        passphrase = place.file("passphrase", str(canaries["passphrase"]).encode())
        wrong = place.file("wrong", str(canaries["wrong"]).encode())
        tokens = place.file(
            "tokens.json",
            (
                '{"access_token":"%s","refresh_token":"%s","id_token":"%s","client_secret":"%s","token_type":"Bearer",'
                '"expires_at":1924905600}' % tuple(canaries[name] for name in ("access", "refresh", "id", "client"))
            ).encode(),
        )
        codex = place.file(
            "auth.json",
            (
                '{"tokens":{"access_token":"%s","refresh_token":"%s","id_token":"%s","account_id":"a"}}'
                % tuple(canaries[name] for name in ("access", "refresh", "id"))
            ).encode(),
        )
        malformed = place.file("malformed.json", (b'{"access_token":"%s", "refresh_token": ' % str(canaries["access"]).encode()))
        twice = place.file("twice.json", b'{"access_token":"%s","access_token":"%s"}' % ((str(canaries["access"]).encode(),) * 2))
        typed = place.file("typed.json", b'{"access_token":["%s"],"refresh_token":"%s"}' % ((str(canaries["refresh"]).encode(),) * 2))
        split = place.file("split.json", b'{"access_token":"%s\\n%s","expires_at":"%s"}' % ((str(canaries["access"]).encode(),) * 3))
        backup = place.file("backup")
        sources = {passphrase, wrong, tokens, codex, malformed, twice, typed, split}
        key = ["--passphrase-file", passphrase]
        url = ["--token-url", "https://as.example/token"]

        watch.run("init", "--key", "passphrase", "--kdf", "interactive", "--no-recovery-code", "--no-input", *key, status=[0])
        watch.run("set", "static:one", *key, stdin=str(canaries["static"]).encode(), status=[0])
        watch.run("set", "static:two", "--json", *key, stdin=str(canaries["static"]).encode(), status=[0])
        for extra in (["--dry-run"], ["--dry-run", "--json"], ["--yes"], ["--yes", "--json"]):
            watch.run("import", tokens, "--name", "grant", *url, *extra, *key)
        for extra in (["--dry-run", "--json"], ["--yes", "--json"], ["--yes"]):
            watch.run("import", codex, *extra, *key)
        for file in (malformed, twice, typed, split):
            for extra in (["--dry-run"], ["--yes", "--json"]):
                watch.run("import", file, "--name", "hostile", *extra, *key)
        os.chmod(tokens, 0o666)
        watch.run("import", tokens, "--name", "wide", "--yes", *url, *key)
        watch.run("import", tokens, "--name", "grant", "--yes", "--remove", *url, *key)
        for document in ([], ["--json"]):
            for command in (
                ["list"], ["show", "static:one"], ["show", "grant"], ["show", "codex"], ["status"], ["doctor"], ["key", "list"],
            ):
                watch.run(*command, *document, *key)
        printed = watch.run("token", "static:one", *key, prints=True, status=[0])
        findings.expect(canaries["static"].is_in(printed.out), "control: a token is found where it is printed")
        printed = watch.run("show", "static:one", "--reveal", "--json", *key, prints=True, status=[0])
        findings.expect(canaries["static"].is_in(printed.out), "control: a token is found where it is revealed")
        watch.run("token", "grant", *key, prints=True)
        watch.run("rename", "static:two", "static:three", *key, status=[0])
        watch.run("export", backup, "--kdf", "interactive", *key, status=[0])
        watch.run("restore", backup, *key, status=[0])
        watch.run("key", "rotate", "--yes", "--kdf", "interactive", *key, status=[0])
        watch.run("remove", "static:three", "--yes", *key, status=[0])
        # What goes wrong.
        other = ["--passphrase-file", wrong]
        for command in (["list"], ["token", "static:one"], ["set", "static:one"], ["key", "rotate", "--yes"], ["restore", backup]):
            watch.run(*command, *other, stdin=str(canaries["static"]).encode(), status=[6])
        watch.run("set", "oauth:grant", *key, stdin=str(canaries["static"]).encode(), status=[64])
        watch.run("set", "static:one", "--no-input", stdin=str(canaries["static"]).encode(), status=[3])
        watch.run("set", "static:-x/..", *key, stdin=str(canaries["static"]).encode())
        watch.run("set", "static:long", *key, stdin=str(canaries["static"]).encode() * 40000, status=[10, 64])
        watch.run("token", "static:none", *key, status=[4])
        watch.run("rename", "static:one", "oauth:one", *key, status=[64])
        with open(backup, "r+b") as file:
            file.seek(-40, os.SEEK_END)
            file.write(b"xxxx")
        watch.run("restore", backup, *key, status=[7])
        watch.look_at_files(place.root, sources)
        # Every record damaged in its middle.
        database = sqlite3.connect(place.database)
        for identifier, sealed in database.execute("SELECT id, sealed FROM record").fetchall():
            sealed = bytearray(sealed)
            sealed[len(sealed) // 2] ^= 1
            database.execute("UPDATE record SET sealed = ? WHERE id = ?", (bytes(sealed), identifier))
        database.commit()
        database.close()
        for command in (["list"], ["show", "grant", "--reveal"], ["token", "static:one"], ["doctor"], ["export", backup + "2"]):
            watch.run(*command, *key)
        watch.look_at_files(place.root, sources)
        for directory in ("/tmp", "/dev/shm"):
            for name in set(os.listdir(directory)) - elsewhere:
                path = os.path.join(directory, name)
                # Other tests have places of their own.
                if os.path.isfile(path):
                    with open(path, "rb") as file:
                        watch.look(file.read(), path)
    findings.finish(
        f"{len(canaries)} canaries, {watch.commands} commands, {watch.programs} programs, {watch.files} files "
        f"in {time.monotonic() - begin:.1f} s"
    )


def control(findings, canary):
    """The search finds what it is to find."""
    text = str(canary).encode()
    for shift in range(3):
        encoded = base64.b64encode(b"%s%s and more" % (b"." * shift, text))
        findings.expect(canary.is_in(encoded), "control: base64")
    findings.expect(canary.is_in(b"x" + text + b"y") and canary.is_in(text.hex().encode()), "control: text and hexadecimal")
    done = subprocess.run(
        ["strace", "-f", "-v", "-s", "1000000", "-e", "trace=execve", "env", f"X={canary}", "true", str(canary)],
        capture_output=True,
    )
    if done.returncode != 0:
        skip(f"strace is not permitted here: {done.stderr[:200]!r}")
    findings.expect(done.stderr.count(text) >= 4, "control: arguments and environments")


if __name__ == "__main__":
    main()
