#!/usr/bin/env python3
"""A cluster without space: nothing is sent that could not be kept, and what was sent before is kept all the same."""

import os
import time

from machines import Machine, guarded
from refreshing import Findings, Server, arguments, fingerprint, text, token_of

QUOTA = 4 << 20


def spills(machine):
    return [name for folder, _, names in os.walk(machine.home) if "/spill" in folder for name in names]


def rotate(cluster, programs, findings):
    """A new data key, made on another machine, which knows of no spill file."""
    with Machine(programs, cluster) as other:
        outcome = other.vault("key", "rotate", "--yes")
        findings.expect(outcome.status == 0, f"rotated elsewhere: {outcome}")


def main():
    options = arguments()
    findings = Findings()
    begin = time.monotonic()
    with Server() as server, guarded(quota=QUOTA) as cluster, Machine(options.programs, cluster) as machine:
        machine.make_vault()
        machine.must("set", "static:one", stdin=b"value-one")
        grant = server.grant()
        machine.take(grant, endpoint=server.token_endpoint)

        cluster.fill()
        changes = ["set", "static:two"], ["set", "static:one"], ["rename", "static:one", "uno"], ["remove", "g", "--yes"]
        for command in changes:
            outcome = machine.vault(*command, stdin=b"value-two")
            findings.expect(outcome.status == 8, f"full: {' '.join(command)}: {outcome}")
            said = text(outcome).lower()
            findings.expect("quota" in said or "space" in said, f"full: {' '.join(command)} names no quota: {outcome}")
        listed = machine.vault("list")
        findings.expect(listed.status == 0 and b"static:one" in listed.out, f"full: list: {listed}")
        read = machine.vault("token", "static:one")
        findings.expect(read.status == 0 and read.out == b"value-one\n", f"full: token static:one: {read}")
        valid = machine.vault("token", "g", "-q")
        findings.expect(valid.status == 0 and token_of(valid) == grant.access, f"full: the valid token: {valid}")
        refused = machine.vault("token", "g", "--refresh", "-q")
        findings.expect(refused.status == 8 and not refused.out, f"full: a refresh: {refused}")
        findings.expect(not server.refreshes(), "full: a request was sent")
        cluster.make_room()
        written = machine.vault("set", "static:two", stdin=b"value-two")
        findings.expect(written.status == 0, f"with room again: {written}")

        server.fault("hang")
        running = machine.start("token", "g", "--refresh", "-q")
        server.wait_for_hanging()
        cluster.fill()
        server.release()
        outcome = running.end()
        findings.expect(outcome.status == 8 and not outcome.out, f"full at the commit: {outcome}")
        findings.expect("kept sealed in" in text(outcome), f"full at the commit: {outcome}")
        findings.expect(len(spills(machine)) == 1, f"spilled: {spills(machine)}")
        again = machine.vault("token", "g", "--refresh", "-q")
        findings.expect(again.status == 8, f"asked once more while it is full: {again}")
        findings.expect(len(server.refreshes()) == 1, "full: the spent token was sent once more")
        cluster.make_room()
        rotate(cluster, options.programs, findings)
        after = machine.vault("token", "g", "-q")
        access, refresh = server.issued(grant.family)
        findings.expect(after.status == 0 and fingerprint(token_of(after)) == access, f"with room again: {after}")
        kept = machine.kept()
        findings.expect(kept and kept.refresh_fingerprint == refresh and kept.state == "active/", f"kept: {kept}")
        findings.expect(not spills(machine), f"left behind: {spills(machine)}")
        state = server.state()
        findings.expect(len(server.refreshes()) == 1 and state["reuses"] == 0, f"the server: {state}")
        doctor = machine.vault("doctor")
        findings.expect(doctor.status == 0, f"doctor: {doctor}")
    lasted = time.monotonic() - begin
    findings.finish(f"full before a refresh: nothing sent; full after the answer: kept, in {lasted:.1f} s")


main()
