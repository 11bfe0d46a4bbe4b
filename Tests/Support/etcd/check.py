#!/usr/bin/env python3
"""The cluster by itself does what the scenarios rely on: it fails over, is cut in two, fills up and is emptied."""

import signal
import time

from cluster import ELECTION, Cluster
from refreshing import Findings, arguments


def put(cluster, members, key):
    return cluster.control("put", key, "v", allowed=(0, 1), members=members).returncode == 0


def main():
    arguments()
    findings = Findings()
    begin = time.monotonic()
    with Cluster(user="someone", password="a password", quota=4 << 20, record=True) as cluster:
        started = time.monotonic() - begin
        findings.expect(put(cluster, None, "vault/1"), "it takes nothing")
        dead, without = cluster.kill_leader()
        findings.expect(put(cluster, [m for m in cluster.members if m is not dead], "vault/2"), "after a kill: nothing")
        cluster.restart(dead)
        leader = cluster.wait_for_leader()
        cluster.partition(leader)
        others = [member for member in cluster.members if member is not leader]
        cluster.wait(lambda: cluster.leader(others), "a leader of two")
        findings.expect(put(cluster, others, "vault/3"), "two of three take nothing")
        status = leader.status()
        findings.expect(status and status.get("leader", "0") == "0", f"cut off, it leads on: {status}")
        cluster.heal()
        cluster.wait_until_well()
        keys = [key for key, _ in cluster.everything()]
        findings.expect(keys == [b"vault/1", b"vault/2", b"vault/3"], f"keys: {keys}")
        cluster.fill()
        findings.expect(not put(cluster, None, "vault/4"), "full, it takes more")
        cluster.make_room()
        findings.expect(put(cluster, None, "vault/5"), "emptied, it takes nothing")
        front = cluster.members[0]
        real, front.client = front.client, cluster.fronts[0].port
        findings.expect(front.status() is not None, "nothing answers through a relay")
        front.client = real
        sent = b"".join(sent for sent, _ in cluster.fronts[0].said())
        findings.expect(b"/v3/maintenance/status" in sent, f"overheard: {sent[:200]!r}")
        front.signal(signal.SIGSTOP)
        findings.expect(front.status() is None, "stopped, it answers")
        front.signal(signal.SIGCONT)
        cluster.wait_until_well()
    findings.finish(
        f"three members up in {started:.1f} s, a new leader after {without:.2f} s (election time-out {ELECTION} ms), "
        f"{time.monotonic() - begin:.1f} s in all"
    )


main()
