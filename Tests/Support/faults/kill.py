#!/usr/bin/env python3
"""Kills a command before each of its calls that change a file, and looks at what opens afterwards.

A process that dies between two such calls leaves the same files as one that dies just before the second: so these are
all the instants there are.
"""

import time

from common import Findings, Place, arguments, each, sample
from scenarios import SCENARIOS, ready

MOST = 20


def main():
    options = arguments("command")
    findings = Findings()
    scenario = SCENARIOS[options.command]()
    begin = time.monotonic()
    with Place(options.programs, store=options.store) as first, Place(options.programs, store=options.store) as second:
        places = [(place, *ready(scenario, place)) for place in (first, second)]
        total = max(len(calls) for _, _, _, calls in places)
        points = sample(total, MOST, options.exhaustive)

        def cut(worker, at):
            place, old, new, _ = places[worker]
            place.restore()
            outcome = place.injected(scenario.command(place), stdin=scenario.stdin, at=at)
            where = f"{options.command}, killed before call {outcome.hit}"
            now = place.dump()
            if outcome.hit is None:
                wrong = scenario.completes(place, outcome, old, new, now)
                findings.expect(outcome.status == 0 and not wrong, f"{options.command}, not killed: {outcome}: {wrong}")
                return
            if not findings.expect(outcome.status == 137, f"{where}: {outcome}"):
                return
            wrong = scenario.problem(place, old, new, now)
            if findings.expect(not wrong, f"{where}: {wrong}") and scenario.has_vault:
                listed = place.vault("list", "--json")
                findings.expect(listed.status == 0, f"{where}: list: {listed}")
                doctor = place.vault("doctor")
                findings.expect(doctor.status == 0, f"{where}: doctor: {doctor}")
            wrong = scenario.again(place, old, new)
            findings.expect(not wrong, f"{where}: {wrong}")

        each(points, cut)
    seconds = time.monotonic() - begin
    findings.finish(f"{options.command}: {len(points)} of {total} instants in {seconds:.1f} s")


main()
