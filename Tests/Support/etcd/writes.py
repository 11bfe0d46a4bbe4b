#!/usr/bin/env python3
"""Members are lost in the middle of writes: every acknowledged one is there, and none twice.

  writes.py … leader | follower | partitioned-leader | partitioned-follower | frozen
"""

import os
import re
import signal
import time

from machines import Machine, guarded
from refreshing import Findings, arguments

from crowd import Worker

ROUNDS = 2
ADDERS, OWN, WRITERS = 3, 2, 2


def disturb(cluster, what):
    """Takes one member away; returns it, and how to bring it back."""
    leads = what in ("leader", "partitioned-leader", "frozen")
    member = cluster.wait_for_leader() if leads else cluster.follower()
    others = [other for other in cluster.members if other is not member]
    if what.startswith("partitioned"):
        cluster.partition(member)
        back = cluster.heal
    elif what == "frozen":
        member.signal(signal.SIGSTOP)
        back = lambda: member.signal(signal.SIGCONT)  # noqa: E731
    else:
        member.kill()
        back = member.start
    cluster.wait(lambda: cluster.leader(others), "a leader of the others")
    return member, back


def main():
    options = arguments("what")
    findings = Findings()
    seconds = int(os.environ.get("VAULT_SOAK_SECONDS", "0"))
    with guarded() as cluster, Machine(options.programs, cluster) as first:
        first.make_vault()
        first.must("set", "static:shared", stdin=b"x")
        for number in range(OWN):
            first.must("set", f"static:own-{number}", stdin=b"x")
        crowd = [(Worker(first, "add", "static:shared"), "static:shared") for _ in range(ADDERS)]
        crowd += [(Worker(first, "add", f"static:own-{number}"), f"static:own-{number}") for number in range(OWN)]
        crowd += [(Worker(first, "write", f"w{number}", "1"), None) for number in range(WRITERS)]
        workers = [worker for worker, _ in crowd]

        def done(worker):
            return sum(line.startswith(("counted", "wrote")) for line in worker.lines)

        def all_go_on(where):
            """Each acknowledges two more: one may have been under way."""
            before = [done(worker) for worker in workers]
            begin = time.monotonic()
            for worker, count in zip(workers, before):
                worker.wait_for(count + 2, "counted|wrote")
                findings.expect(worker.process.poll() is None, f"{where}: a process ended: {worker.lines[-2:]}")
            return time.monotonic() - begin

        all_go_on("at first")
        begin, rounds, pauses = time.monotonic(), 0, []
        while rounds < ROUNDS or time.monotonic() - begin < seconds:
            rounds += 1
            _, back = disturb(cluster, options.what)
            pauses.append(all_go_on(f"round {rounds}, without one"))
            back()
            cluster.wait_until_well()
            all_go_on(f"round {rounds}, with it again")
            if findings.count:
                break
        lasted = time.monotonic() - begin
        for worker in workers:
            status = worker.end()
            findings.expect(status == 0, f"a process: exit {status}: {worker.lines[-2:]}")
        dump = first.dump()
        counts = {name: int(count) for name, count in re.findall(r"^(static:\S+) \S+ count:(\d+) ", dump, re.M)}
        acknowledged = failed = 0
        for name in {name for _, name in crowd if name}:
            lines = [line for worker, of in crowd if of == name for line in worker.lines]
            numbers = [int(line.split()[1]) for line in lines if line.startswith("counted")]
            refused = sum(line.startswith("failed") for line in lines)
            count = counts.get(name, 0)
            findings.expect(len(set(numbers)) == len(numbers), f"{name}: a number was acknowledged twice")
            findings.expect(count >= max(numbers), f"{name} is {count}, and {max(numbers)} was acknowledged")
            # What was refused may have come through; what was not acknowledged or refused has no reason to be there.
            findings.expect(
                len(numbers) <= count <= len(numbers) + refused,
                f"{name} is {count} after {len(numbers)} acknowledged and {refused} refused updates",
            )
            acknowledged += len(numbers)
            failed += refused
        now = dict(re.findall(r"^(static:w\S+) active/  secret=(\S+)$", dump, re.M))
        for worker, name in crowd:
            if name:
                continue
            kept, attempted = {}, {}
            for line in worker.lines:
                word, *rest = line.split(" ", 2)
                if word == "wrote":
                    kept[rest[0]] = rest[1]
                    acknowledged += 1
                elif word == "writing":
                    attempted.setdefault(rest[0], []).append(rest[1])
                else:
                    failed += 1
            for entry, value in kept.items():
                later = attempted[entry][attempted[entry].index(value):]
                findings.expect(now.get(entry) in later, f"{entry} is {now.get(entry)!r}, was {value!r}")
        wrong = {line for worker in workers for line in worker.lines if line.startswith("failed")}
        findings.expect(not [line for line in wrong if line[7] not in "89"], f"refused: {sorted(wrong)[:3]}")
        doctor = first.vault("doctor")
        findings.expect(doctor.status == 0, f"doctor: {doctor}")
    if wrong:
        print("refused:", *sorted(wrong)[:3], sep="\n  ")
    findings.finish(
        f"{options.what}: {rounds} times in {lasted:.0f} s, {len(workers)} processes: {acknowledged} acknowledged "
        f"writes, {failed} refused, all go on after {max(pauses):.1f} s at most"
    )


main()
