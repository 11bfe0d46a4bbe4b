#!/usr/bin/env python3
"""The cluster is away: what is valid comes from this machine's cache, and what has run out is not refreshed.

  away.py … killed | stopped | alone      all members are gone; all hang; one is left, and cannot decide anything
"""

import signal
import time

from machines import Machine, guarded
from refreshing import PAST, Asker, Findings, Server, arguments, token_of


def main():
    options = arguments("what")
    findings = Findings()
    with Server() as server, guarded() as cluster, Machine(options.programs, cluster) as machine:
        machine.make_vault()
        grants = {name: server.grant() for name in ("valid", "expired")}
        machine.take(grants["valid"], "valid", endpoint=server.token_endpoint)
        machine.take(grants["expired"], "expired", endpoint=server.token_endpoint, expiry=PAST)
        machine.must("set", "static:key", stdin=b"value")
        for name in ("valid", "static:key"):
            machine.must("token", name, "-q")
        machine.must("list")
        asker = Asker(machine, "valid")
        findings.expect(asker.ask("plain") == f"token {grants['valid'].access}", "a worker, before")
        left = {"killed": [], "stopped": [], "alone": [cluster.follower()]}[options.what]
        for member in cluster.members:
            if member in left:
                continue
            if options.what == "stopped":
                member.signal(signal.SIGSTOP)
            else:
                member.kill()
        times = []

        def ask(*command, stdin=b""):
            begin = time.monotonic()
            outcome = machine.vault(*command, stdin=stdin)
            times.append(time.monotonic() - begin)
            return outcome

        valid = ask("token", "valid", "-q")
        findings.expect(valid.status == 0 and token_of(valid) == grants["valid"].access, f"the valid token: {valid}")
        static = ask("token", "static:key", "-q")
        findings.expect(static.status == 0 and static.out == b"value\n", f"what never expires: {static}")
        for command in (["token", "expired"], ["token", "valid", "--refresh"], ["token", "expired", "--refresh"]):
            outcome = ask(*command)
            findings.expect(outcome.status == 9 and not outcome.out, f"{' '.join(command)}: {outcome}")
        answer = asker.ask("plain")
        findings.expect(answer == f"token {grants['valid'].access}", f"a worker, while it is away: {answer}")
        written = ask("set", "static:key", stdin=b"other")
        findings.expect(written.status == 8, f"set: {written}")
        findings.expect(not server.refreshes(), "a request was sent")
        for member in cluster.members:
            if member in left:
                continue
            if options.what == "stopped":
                member.signal(signal.SIGCONT)
            else:
                member.start()
        cluster.wait_until_well()
        refreshed = machine.vault("token", "expired", "-q")
        findings.expect(refreshed.status == 0, f"the cluster is back: {refreshed}")
        findings.expect(len(server.refreshes()) == 1, f"{len(server.refreshes())} requests once it is back")
        findings.expect(asker.ask("plain") == f"token {grants['valid'].access}", "a worker, afterwards")
        asker.end()
        findings.expect(server.state()["reuses"] == 0, "a spent token was sent")
    # Five seconds is the patience of one command; a busy machine adds to them.
    findings.expect(max(times) < 15, f"a command took {max(times):.1f} s")
    findings.finish(f"{options.what}: valid from the cache, expired refused, the slowest command {max(times):.1f} s")


main()
