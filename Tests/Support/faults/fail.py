#!/usr/bin/env python3
"""Makes each call of a command that changes a file fail, once or from there on, and looks at what it says and leaves.

A failure is exit 8 (or another documented status) and one sentence, with the old state or the whole new one; success is
only ever reported where the new state is there, and never after a failed fsync of the vault's own files.
"""

import errno
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
    with Place(options.programs) as first, Place(options.programs) as second:
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
                if outcome.hit and not harmless(outcome.hit, place):
                    findings.add(f"{where}: a failed fsync was reported as success: {outcome}")
                return
            lines = [line for line in outcome.err.split(b"\n") if line.startswith(b"vault: error: ")]
            expected = scenario.fault_statuses + ([7] if group == "io" and scenario.reads_a_file else [])
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


def harmless(hit, place):
    """Whether a command may go on after that call failed."""
    _, name, path = hit.split(" ", 2)
    if name not in ("fsync", "fdatasync"):
        return True
    # SQLite syncs the directory of its journal at every first write and does not look at what comes of it. The journal
    # of a vault is made, and its name synced, when the vault is.
    return name == "fdatasync" and not path.endswith(("sqlite", "-journal")) and not path.endswith(".new")


main()
