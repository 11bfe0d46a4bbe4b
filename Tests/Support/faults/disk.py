#!/usr/bin/env python3
"""A disk that is really full, files that may not grow, and a vault on read-only media."""

import os
import resource
import subprocess
import time

from common import Disk, Findings, Outcome, Place, arguments
from scenarios import SCENARIOS

COMMANDS = ["set", "replace", "import", "import-remove", "remove", "rename", "key-add", "key-rotate", "export", "restore"]


def contents(directory):
    """Every file below, with its bytes; what a lock or a journal is empty of does not count."""
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            if data and name != "filler":
                found[os.path.join(folder, name)] = data
    return found


def error_lines(outcome):
    return [line for line in outcome.err.split(b"\n") if line.startswith(b"vault: error: ")]


def anew(scenario, place):
    """What is wrong where the command is run once more, with nothing in its way."""
    outcome = place.vault(*scenario.command(place), stdin=scenario.stdin)
    if outcome.status == 10 and isinstance(scenario, SCENARIOS["key-add"]):
        # The new key file was made and stays, since nobody knows whether the slot was; the user says where another goes.
        os.unlink(place.file("second-key"))
        outcome = place.vault(*scenario.command(place), stdin=scenario.stdin)
    now = place.dump()
    return scenario.completes(place, outcome, None, now, now) if outcome.status == 0 else str(outcome)


def full(options, findings):
    """Every command on a full disk, and on one with a few pages left, then with room again."""
    for name in COMMANDS:
        for leaving in (0, 4096, 16384):
            with Place(options.programs) as place:
                with Disk(os.path.join(place.root, "disk"), 1 << 20) as disk:
                    place.move(disk.path)
                    scenario = SCENARIOS[name]()
                    scenario.prepare(place)
                    old = place.dump()
                    disk.fill(leaving)
                    outcome = place.vault(*scenario.command(place), stdin=scenario.stdin)
                    where = f"{name} with {leaving} bytes left"
                    now = place.dump()
                    if outcome.status == 0:
                        # It fitted.
                        new = now
                    else:
                        findings.expect(outcome.status == 8, f"{where}: {outcome}")
                        findings.expect(len(error_lines(outcome)) == 1, f"{where}: {outcome}")
                        new = None
                    listed = place.vault("list", "--json")
                    findings.expect(listed.status == 0, f"{where}: list: {listed}")
                    disk.free()
                    now = place.dump()
                    if new is None:
                        complete_old = name in ("key-rotate", "key-add", "export") or now == old
                        findings.expect(
                            complete_old or not scenario.problem(place, old, None, now), f"{where}: not the old state: {now!r}"
                        )
                        wrong = anew(scenario, place)
                        findings.expect(not wrong, f"{where}, with room again: {wrong}")
                    else:
                        wrong = scenario.completes(place, outcome, old, new, now)
                        findings.expect(not wrong, f"{where}: {wrong}")


def limited(options, findings):
    """Files that may not grow beyond a size (RLIMIT_FSIZE): an error, not the death of the process."""
    for name in COMMANDS:
        for size in (0, 1024, 8192, 28672):
            with Place(options.programs) as place:
                scenario = SCENARIOS[name]()
                scenario.prepare(place)
                old = place.dump()
                done = subprocess.run(
                    [os.path.join(options.programs, "vault"), *scenario.command(place)], input=scenario.stdin,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=place.environment, timeout=60,
                    preexec_fn=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
                )
                outcome = Outcome(done.returncode, done.stdout, done.stderr)
                where = f"{name} with files of {size} bytes at most"
                now = place.dump()
                if outcome.status == 0:
                    wrong = scenario.completes(place, outcome, old, now, now)
                    findings.expect(not wrong, f"{where}: {wrong}")
                    continue
                findings.expect(outcome.status == 8, f"{where}: {outcome}")
                findings.expect(len(error_lines(outcome)) == 1, f"{where}: {outcome}")
                # Reading has needed no room, so what the vault held is all there.
                kept = all(line in now for line in old.splitlines())
                findings.expect(kept or not scenario.problem(place, old, None, now), f"{where}: {now!r}")
                wrong = anew(scenario, place)
                findings.expect(not wrong, f"{where}, without the limit: {wrong}")


def read_only(options, findings):
    """All that reads works, all that writes is exit 8, and no byte changes."""
    with Place(options.programs) as place, Disk(os.path.join(place.root, "disk"), 4 << 20) as disk:
        place.move(disk.path)
        place.make_vault()
        place.fill()
        place.file("passphrase", b"correct horse battery staple")
        place.file("tokens.json", b'{"access_token":"at-OTHER","refresh_token":"rt-OTHER"}')
        before = contents(disk.path)
        disk.remount("ro")
        for command in (
            ["list"], ["list", "--json"], ["token", "static:one"], ["token", "oauth:grant"], ["show", "static:one"],
            ["show", "oauth:grant", "--reveal"], ["status"], ["status", "--json"], ["key", "list"],
        ):
            outcome = place.vault(*command)
            findings.expect(outcome.status == 0, f"{' '.join(command)} on read-only media: {outcome}")
        token = place.vault("token", "static:one")
        findings.expect(token.out == b"value-one\n", f"token on read-only media: {token.out!r}")
        backup = ["--backup-passphrase-file", place.file("passphrase"), "--kdf", "interactive"]
        for command, stdin in (
            (["set", "static:one"], b"x"), (["set", "static:new"], b"x"), (["remove", "static:one", "--yes"], b""),
            (["rename", "static:one", "uno"], b""), (["import", place.file("tokens.json"), "--yes", "--name", "n"], b""),
            (["import", place.file("tokens.json"), "--yes", "--name", "n", "--remove"], b""),
            (["key", "add", "key-file:" + place.file("other")], b""), (["key", "rotate", "--yes"], b""),
            (["export", place.file("backup"), *backup], b""),
        ):
            outcome = place.vault(*command, stdin=stdin)
            findings.expect(outcome.status == 8, f"{' '.join(command)} on read-only media: {outcome}")
            findings.expect(len(error_lines(outcome)) == 1, f"{' '.join(command)} on read-only media: {outcome}")
        disk.remount("rw")
        findings.expect(contents(disk.path) == before, "a file on read-only media changed")
        findings.expect(place.vault("set", "static:new", stdin=b"x").status == 0, "not writable again")


def main():
    options = arguments("what")
    findings = Findings()
    begin = time.monotonic()
    {"full": full, "limited": limited, "read-only": read_only}[options.what](options, findings)
    findings.finish(f"{options.what}: {len(COMMANDS)} commands in {time.monotonic() - begin:.1f} s")


main()
