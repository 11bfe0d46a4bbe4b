#!/usr/bin/env python3
"""Many processes on one vault: no update is lost, no acknowledged write is gone, and no reader is told of damage."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time

from common import Findings, Place, arguments

WAIT = 120


class Worker:
    """A worker that runs until its input ends or it is killed; its lines are collected as they come."""

    def __init__(self, place, *arguments, program="vault-test-worker"):
        self.process = subprocess.Popen(
            [os.path.join(place.programs, program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=place.environment, cwd=place.root,
        )
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.collect)
        self.reader.start()

    def collect(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()

    def wait_for(self, count, pattern=""):
        """Waits for so many lines that match, or for its end."""
        deadline = time.monotonic() + WAIT
        with self.changed:
            while sum(1 for line in self.lines if re.match(pattern, line)) < count and self.process.poll() is None:
                self.changed.wait(0.05)
                if time.monotonic() > deadline:
                    self.process.kill()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.end()

    def end_when_done(self):
        """Waits for its end and returns its status."""
        self.process.wait(4 * 3600)
        return self.end()

    def end(self):
        """Ends its input and returns its status."""
        self.process.stdin.close()
        status = self.process.wait(WAIT)
        self.reader.join()
        self.process.stdout.close()
        return status


def updates(options, findings, base=None):
    """N processes add one to the same number M times, another M times to a number of their own."""
    processes, times = (50, 1000) if options.exhaustive else (20, 25)
    if options.load:
        processes, times = map(int, options.load.split("x"))
    begin = time.monotonic()
    with Place(options.programs, base) as place:
        place.make_vault()
        place.must("set", "static:shared", stdin=b"x")
        for number in range(processes):
            place.must("set", f"static:own-{number}", stdin=b"x")
        begin = time.monotonic()
        workers = []
        for number in range(processes):
            # Every fourth opens the vault anew for each update, as commands do.
            extra = ["reopen"] if number % 4 == 3 else []
            workers.append(Worker(place, "count", "static:shared", str(times), *extra))
        statuses = [worker.end_when_done() for worker in workers]
        shared = time.monotonic() - begin
        for worker, status in zip(workers, statuses):
            findings.expect(status == 0, f"a process that counts: exit {status}: {worker.lines[-1:]}")
        own = [Worker(place, "count", f"static:own-{number}", str(times)) for number in range(processes)]
        for worker in own:
            status = worker.end_when_done()
            findings.expect(status == 0, f"a process that counts by itself: exit {status}: {worker.lines[-1:]}")
        counts = dict(re.findall(r"^(static:\S+) \S+ count:(\d+) ", place.dump(), re.M))
        findings.expect(counts.get("static:shared") == str(processes * times), f"the number is {counts.get('static:shared')}")
        for number in range(processes):
            count = counts.get(f"static:own-{number}")
            findings.expect(count == str(times), f"own number {number} is {count}")
        acknowledged = sorted(int(line.split()[1]) for worker in workers for line in worker.lines if line.startswith("counted"))
        findings.expect(acknowledged == list(range(1, processes * times + 1)), "a number was acknowledged twice or never")
    both = time.monotonic() - begin
    return f"{processes} processes x {times} updates: one entry in {shared:.1f} s, one each in {both - shared:.1f} s"


def killed(options, findings):
    """Writers, rotations and readers at once, each writer and rotation killed at a random instant."""
    rounds = 20 if options.exhaustive else 2
    writers = 20
    seed = int(os.environ.get("VAULT_SEED", "20240229"))
    begin = time.monotonic()
    acknowledged = kills = rotated = read = 0
    with Place(options.programs) as place:
        place.make_vault()
        names = [f"static:stable-{number}" for number in range(3)]
        for name in names:
            place.must("set", name, stdin=b"stable")
        kept, attempted = {}, {}
        for number in range(rounds):
            chance = random.Random(seed * 1000 + number)
            watchers = [Worker(place, "watch", *names) for _ in range(2)]
            crowd = [Worker(place, "write", f"w{writer}", str(seed * 1000 + number)) for writer in range(writers)]
            rotation = Worker(place, "rotate")
            order = list(range(writers))
            chance.shuffle(order)
            for turn, writer in enumerate(order):
                worker = crowd[writer]
                # Once it has acknowledged a few more, and then at whatever instant it happens to be.
                worker.wait_for(chance.randrange(1, 4), "wrote")
                time.sleep(chance.random() * 0.02)
                worker.kill()
                kills += 1
                if turn % 5 == 2:
                    rotation.wait_for(1, "rotating")
                    time.sleep(chance.random() * 0.05)
                    rotation.kill()
                    rotated += len([line for line in rotation.lines if line == "rotated"])
                    wrong = [line for line in rotation.lines if line.startswith("error")]
                    findings.expect(not wrong, f"round {number}: a rotation: {wrong[:1]}")
                    kills += 1
                    rotation = Worker(place, "rotate")
            # With the writers gone, one rotation comes to its end, over whatever the others have left.
            rotation.wait_for(1, "rotated")
            findings.expect("rotated" in rotation.lines, f"round {number}: the last rotation: {rotation.lines[-1:]}")
            rotated += rotation.lines.count("rotated")
            rotation.kill()
            for watcher in watchers:
                # Read until a last look after everything ended.
                watcher.wait_for(len(watcher.lines) + 1)
                status = watcher.end()
                findings.expect(status == 0, f"round {number}: a reader: {watcher.lines[-1:]}")
                read += len(watcher.lines)
            for worker in crowd:
                for line in worker.lines:
                    word, *rest = line.split(" ", 2)
                    if word == "wrote":
                        kept[rest[0]] = rest[1]
                        acknowledged += 1
                    elif word == "writing":
                        attempted.setdefault(rest[0], []).append(rest[1])
                    else:
                        findings.add(f"round {number}: a writer: {line}")
            now = dict(re.findall(r"^(static:\S+) active/  secret=(\S+)$", place.dump(), re.M))
            findings.expect(len(now) > 3, f"round {number}: {place.dump()[:300]!r}")
            for name, value in kept.items():
                # What was written after the last acknowledgement may be there instead.
                later = attempted[name][attempted[name].index(value):]
                findings.expect(now.get(name) in later, f"round {number}: {name} is {now.get(name)!r}, was {value!r}")
            stray = set(now) - set(attempted) - set(names)
            findings.expect(not stray, f"round {number}: entries nobody wrote: {sorted(stray)[:3]}")
            doctor = place.vault("doctor")
            findings.expect(doctor.status == 0, f"round {number}: doctor: {doctor}")
    seconds = time.monotonic() - begin
    return (
        f"{rounds} rounds with {writers} writers, seed {seed}: {kills} kills, {acknowledged} acknowledged writes, "
        f"{rotated} whole rotations, {read} rounds of readers in {seconds:.1f} s"
    )


def readers(options, findings):
    """The command itself reads, again and again, while others write and rotate to the end."""
    reads = 600 if options.exhaustive else 30
    begin = time.monotonic()
    with Place(options.programs) as place:
        place.make_vault()
        for number in range(3):
            place.must("set", f"static:stable-{number}", stdin=b"stable")
        crowd = [Worker(place, "write", f"w{number}", "1") for number in range(3)] + [Worker(place, "rotate")]
        rotations = crowd[-1]

        def read(number):
            for turn in range(reads // 3):
                name = f"static:stable-{turn % 3}"
                for command in (["list", "--json"], ["token", name], ["show", name]):
                    outcome = place.vault(*command)
                    findings.expect(outcome.status == 0, f"{' '.join(command)}: {outcome}")
                    if command[0] == "list":
                        findings.expect(outcome.out.count(b'"static:stable-') == 3, "an entry is missing from a list")
                    if command[0] == "token":
                        findings.expect(outcome.out == b"stable\n", f"a token is {outcome.out!r}")

        threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker in crowd:
            status = worker.end()
            findings.expect(status == 0, f"a writer or rotation: exit {status}: {worker.lines[-1:]}")
        whole = rotations.lines.count("rotated")
        findings.expect(whole > 0, "no rotation came to its end")
        writes = sum(1 for worker in crowd for line in worker.lines if line.startswith("wrote"))
    seconds = time.monotonic() - begin
    return f"{reads * 3} commands that read beside {writes} writes and {whole} rotations in {seconds:.1f} s"


def audit(options, findings):
    """Commands that hand out at once: each has its line, and the chain is whole."""
    crowd, times = (20, 50) if options.exhaustive else (20, 5)
    begin = time.monotonic()
    with Place(options.programs) as place:
        place.make_vault()
        for number in range(crowd):
            place.must("set", f"static:own-{number}", stdin=b"value")

        def ask(number):
            for _ in range(times):
                outcome = place.vault("token", f"static:own-{number}")
                findings.expect(outcome.status == 0 and not outcome.err, f"token: {outcome}")

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(crowd)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome = place.vault("audit", "--json")
        findings.expect(outcome.status == 0, f"audit: {outcome}")
        document = json.loads(outcome.out)
        findings.expect(document["faults"] == [], f"faults: {document['faults']}")
        numbers = [line["number"] for line in document["lines"]]
        findings.expect(numbers == list(range(1, crowd * times + 1)), f"{len(numbers)} lines")
        for number in range(crowd):
            count = sum(1 for line in document["lines"] if line["name"] == f"static:own-{number}")
            findings.expect(count == times, f"own-{number} has {count} lines")
    return f"{crowd} callers x {times} hand-outs in {time.monotonic() - begin:.1f} s"


def main():
    options = arguments("what", "--load", "--base")
    findings = Findings()
    if options.what == "updates":
        findings.finish(updates(options, findings, options.base))
    findings.finish({"killed": killed, "readers": readers, "audit": audit}[options.what](options, findings))


if __name__ == "__main__":
    main()
