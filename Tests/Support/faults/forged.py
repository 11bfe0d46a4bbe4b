#!/usr/bin/env python3
"""Headers that ask for impossible key derivations: refused at once, and without the memory they ask for."""

import hashlib
import os
import resource
import sqlite3
import struct
import subprocess
import time

from common import Findings, Outcome, Place, arguments

INTERACTIVE = (2, 64 << 20)
FORGED = [
    (2, 4 << 40), (2, 1 << 40), (2, (1 << 30) + 1), (2, 2**64 - 1), (2, 2**63), (2, 2**63 - 1), (2, 0), (2, 1), (2, 8192),
    (2, (64 << 20) - 1), (0, 64 << 20), (1, 64 << 20), (2**32 - 1, 64 << 20), (2**31, 64 << 20), (65, 64 << 20),
    (2**32 - 1, 2**64 - 1), (0, 0), (5, 1 << 30),
]


def forge(path, changes):
    """Rewrites the derivations of the header's passphrase slots, digest included. Layout: Header.swift."""
    database = sqlite3.connect(path)
    (header,) = database.execute("SELECT bytes FROM header").fetchone()
    header = bytearray(header)
    position, slots = 49, 0
    while position < len(header) - 64:
        tag, length = struct.unpack_from("<HI", header, position)
        start = position + 6
        if tag == 1 and struct.unpack_from("<I", header, start + 26)[0] == 2:
            passes, memory = changes
            struct.pack_into("<IQ", header, start + 30, passes, memory)
            slots += 1
        position = start + length
    assert slots, "no passphrase slot"
    header[-32:] = hashlib.blake2b(bytes(header[:-32]), digest_size=32).digest()
    database.execute("UPDATE header SET bytes = ?", (bytes(header),))
    database.commit()
    database.close()


def main():
    options = arguments()
    findings = Findings()
    slowest = largest = 0
    with Place(options.programs) as place:
        passphrase = place.file("passphrase", b"correct horse battery staple")
        place.must(
            "init", "--key", "passphrase", "--kdf", "interactive", "--no-recovery-code", "--no-input",
            "--passphrase-file", passphrase,
        )
        place.must("set", "static:one", "--passphrase-file", passphrase, stdin=b"one")
        place.save()
        # What was changed must be what is read: the same parameters written back still open.
        forge(place.database, INTERACTIVE)
        opened = place.vault("token", "static:one", "--passphrase-file", passphrase)
        findings.expect(opened.out == b"one\n", f"the header as it was: {opened}")
        for passes, memory in FORGED:
            place.restore()
            forge(place.database, (passes, memory))
            before = read(place.database)
            where = f"{passes} passes over {memory} bytes"
            for command in (["token", "static:one"], ["list"], ["set", "static:two"], ["key", "rotate", "--yes"]):
                begin = time.monotonic()
                outcome, seconds, peak = measured(place, [*command, "--passphrase-file", passphrase])
                findings.expect(time.monotonic() - begin < 10, f"{where}: it waited for something")
                slowest, largest = max(slowest, seconds), max(largest, peak)
                findings.expect(outcome.status == 7, f"{where}: {outcome}")
                findings.expect(outcome.err.count(b"vault: error: ") == 1, f"{where}: {outcome}")
                findings.expect(seconds < 1, f"{where}: took {seconds:.2f} s of a processor")
                findings.expect(peak < 256 << 20, f"{where}: took {peak >> 20} MiB")
            findings.expect(read(place.database) == before, f"{where}: the vault was changed")
    findings.finish(
        f"{len(FORGED)} forged derivations, 4 commands each: at most {slowest:.2f} s and {largest >> 20} MiB"
    )


def read(path):
    with open(path, "rb") as file:
        return file.read()


def measured(place, arguments):
    """The outcome, the seconds of a processor that it took, and the largest resident set in bytes."""
    process = subprocess.Popen(
        [os.path.join(place.programs, "vault"), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env=place.environment, cwd=place.root,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30)),
    )
    out, err = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    return Outcome(process.returncode, out, err), usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


main()
