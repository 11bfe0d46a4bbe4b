#!/usr/bin/env python3
"""What each command costs a cluster of three in requests and bytes, as relays in front of the members hear it.

Judges nothing: its lines are the measured part of FleetCosts.md.
"""

import re
import statistics
import time

from machines import Machine
from refreshing import PAST, Server, arguments

from cluster import Cluster

REQUEST = re.compile(rb"(?:GET|POST|PUT|HEAD) \S+ HTTP/1\.1\r\n")
TURNS = 10


def main():
    options = arguments()
    with Server() as server, Cluster(record=True) as cluster, Machine(
        options.programs, cluster, [front.port for front in cluster.fronts]
    ) as machine:
        lines = []

        def measure(name, *commands, stdin=b""):
            """The median of what one of the commands costs."""
            found = []
            for command in commands:
                for front in cluster.fronts:
                    front.record.clear()
                begin = time.monotonic()
                machine.must(*command, stdin=stdin)
                lasted = time.monotonic() - begin
                said = [pair for front in cluster.fronts for pair in front.said()]
                found.append((
                    sum(len(REQUEST.findall(sent)) for sent, _ in said), sum(len(sent) for sent, _ in said),
                    sum(len(told) for _, told in said), lasted * 1000,
                ))
            middle = [statistics.median(part) for part in zip(*found)]
            lines.append("| {} | {:.0f} | {:,.0f} | {:,.0f} | {:.0f} ms |".format(name, *middle))

        machine.make_vault()
        measure("`set` of a new entry", *([("set", f"static:e{number}") for number in range(TURNS)]), stdin=b"x" * 1000)
        grant = server.grant()
        machine.take(grant, "valid", endpoint=server.token_endpoint)
        measure("`token`, valid", *[("token", "valid", "-q")] * TURNS)
        for number in range(TURNS):
            machine.take(server.grant(), f"old{number}", endpoint=server.token_endpoint, expiry=PAST)
        measure("`token` that refreshes", *[("token", f"old{number}", "-q") for number in range(TURNS)])
        measure(f"`list` of {2 * TURNS + 1} entries, first", ("list",))
        measure(f"`list` of {2 * TURNS + 1} entries, again", *[("list",)] * TURNS)
    print(*lines, sep="\n")


main()
