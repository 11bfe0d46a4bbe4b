#!/usr/bin/env python3
"""Makes each call of a command that changes a file fail, once or from there on, and looks at what it says and leaves.

A failure is exit 8 (or another documented status) and one sentence, with the old state or the whole new one; success is
only ever reported where the new state is there, and never after a failed fsync of the vault's own files.
"""

import errno
import os
import time

from common import Findings, Place, arguments, each, sample
from scenarios import SCENARIOS, ready

MOST = 18
MOST_SYNCS = 8
MOST_READS = 18
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS]


def plan(options, place, scenario):
    """Which call of which group fails how: (group, number, error, from there on)."""
    def count(group):
        place.restore()
        return len(place.injected(scenario.command(place), stdin=scenario.stdin, calls=group).calls)

    changes, syncs, reads = count("change"), count("sync"), count("io")
    every = options.exhaustive
    if every:
        cuts = [("change", at, error, on) for at in range(1, changes + 1) for error in ERRORS for on in (False, True)]
    else:
        cuts = [
            ("change", at, ERRORS[index % 3], index // 3 % 2 == 1)
            for index, at in enumerate(sample(changes, MOST, False))
        ]
    cuts += [("sync", at, errno.EIO, False) for at in sample(syncs, MOST_SYNCS, every)]
    cuts += [("io", at, errno.EIO, False) for at in sample(reads, MOST_READS, every)]
    return cuts, (changes, syncs, reads)


def main():
    options = arguments("command")
    findings = Findings()
    scenario = SCENARIOS[options.command]()
    begin = time.monotonic()
    statuses = {}
    with Place(options.programs, store=options.store) as first, Place(options.programs, store=options.store) as second:
        places = [(place, *ready(scenario, place)) for place in (first, second)]
        cuts, totals = plan(options, first, scenario)

        def fail(worker, cut):
            group, at, error, on = cut
            place, old, new, _ = places[worker]
            place.restore()
            outcome = place.injected(
                scenario.command(place), stdin=scenario.stdin, calls=group, at=at, error=error, on=on
            )
            name = errno.errorcode[error] + (" from there on" if on else "")
            where = f"{options.command}, {name} at call {outcome.hit}"
            now = place.dump()
            statuses[outcome.status] = statuses.get(outcome.status, 0) + 1
            if outcome.hit is None or outcome.status == 0:
                wrong = scenario.completes(place, outcome, old, new, now)
                findings.expect(outcome.status == 0 and not wrong, f"{where}: {outcome}: {wrong}")
                if outcome.hit and not harmless(outcome, place, scenario):
                    findings.add(f"{where}: a failed fsync was reported as success: {outcome}")
                return
            lines = [line for line in outcome.err.split(b"\n") if line.startswith(b"vault: error: ")]
            expected = scenario.fault_statuses
            if " pread64 " in outcome.hit and "sqlite" in outcome.hit:
                # To SQLite, a page that the disk cannot read is as damaged as one that it reads wrongly.
                expected = expected + [7]
            findings.expect(outcome.status in expected, f"{where}: {outcome}")
            findings.expect(len(lines) == 1, f"{where}: not one error sentence: {outcome}")
            wrong = scenario.problem(place, old, new, now)
            if findings.expect(not wrong, f"{where}: {outcome}: {wrong}"):
                wrong = scenario.again(place, old, new)
                findings.expect(not wrong, f"{where}: {wrong}")

        each(cuts, fail)
    seconds = time.monotonic() - begin
    counts = ", ".join(f"{count}x exit {status}" for status, count in sorted(statuses.items()))
    findings.finish(
        f"{options.command}: {len(cuts)} failures of {totals[0]} changing calls, {totals[1]} syncs and {totals[2]} calls "
        f"in all: {counts} in {seconds:.1f} s"
    )


def harmless(outcome, place, scenario):
    """Whether a command may go on after that call failed."""
    number, name, path = outcome.hit.split(" ", 2)
    if name not in ("fsync", "fdatasync"):
        return True
    if not scenario.writes_vault and path.startswith(("~/data_home/", "~/state_home/")):
        return True
    before = [call.split(" ", 2) for call in outcome.calls[:int(number) - 1]]
    if place.store == "directory":
        # Beside the locks lies a count of changes, which is taken anew where it is lost; and what is to be finished of a
        # commit of several changes. That it is finished need not be durable: done twice is done. That it is begun must.
        last = [call for call in before if call[1].startswith(("fsync", "fdatasync", "rename", "unlink"))][-1:]
        begun = ".redo" in path or any(".redo" in call[2] and not call[1].startswith("unlink") for call in last)
        return path.startswith("~/state_home/") and not begun
    # SQLite syncs the directory of its journal before every first write and does not look at what comes of it. That is
    # harmless where the journal's name had been made durable before.
    directory = path.replace("~", place.home, 1)
    made = any(call[1] == "renameat2" and call[2].startswith(directory) and "-journal." in call[2] for call in before)
    saved = os.path.join(place.root, "saved") + directory[len(place.home):]
    there = os.path.isdir(saved) and any(name.endswith("-journal") for name in os.listdir(saved))
    return name == "fdatasync" and os.path.isdir(directory) and (made or there)


main()
