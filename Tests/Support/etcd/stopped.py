#!/usr/bin/env python3
"""A holder is stopped for longer than its lease lasts, while another machine asks.

  stopped.py … answer | before

`answer`: while it waits for the answer, which the server holds back. `before`: connected, and not a byte sent.
"""

import os
import re
import signal
import time
import urllib.parse

from machines import Machine, guarded
from refreshing import Broken, Findings, Running, Server, arguments, fingerprint, skip, text, token_of, until

# A new leader gives every lease its whole time again, and members that are short of processors elect more than one.
LEASE_LIMIT = 300


def leases(cluster):
    return set(re.findall(r"^([0-9a-f]{8,})\s*$", cluster.control("lease", "list").stdout.decode(), re.MULTILINE))


def wait_until_over(cluster, held):
    """Until the cluster has ended those leases; returns how long it took."""
    begin = time.monotonic()
    while leases(cluster) & held:
        if time.monotonic() - begin > LEASE_LIMIT:
            raise Broken(f"a lease outlives its holder by {LEASE_LIMIT} s")
        time.sleep(0.25)
    return time.monotonic() - begin


def is_stopped(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as lines:
        return re.search(r"^State:\s+[tT]", lines.read(), re.MULTILINE) is not None


def port_of(server):
    return urllib.parse.urlsplit(server.token_endpoint).port


def has_unread(port):
    """Whether a client of that port has been sent what it has not read."""
    with open("/proc/net/tcp", encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if words[2].endswith(f":{port:04X}") and int(words[4].split(":")[1], 16) > 0:
                return True
    return False


def judge(server, grant, machines, findings):
    """What is true in the end, whoever refreshed."""
    access, refresh = server.issued(grant.family)
    for number, machine in enumerate(machines):
        outcome = machine.vault("token", "g", "-q")
        findings.expect(
            outcome.status == 0 and fingerprint(token_of(outcome)) == access, f"machine {number}, in the end: {outcome}"
        )
        kept = machine.kept()
        findings.expect(
            kept and kept.refresh_fingerprint == refresh and kept.access_fingerprint == access
            and kept.state == "active/", f"machine {number} has {kept}; the server has {access}, {refresh}",
        )
    state = server.state()
    outcomes = [entry["outcome"] for entry in server.refreshes()]
    findings.expect(outcomes == ["granted"], f"the server saw {outcomes}")
    findings.expect(state["reuses"] == 0 and state["families_revoked"] == 0, f"the server: {state}")
    spilled = [name for m in machines for folder, _, names in os.walk(m.home) if "/spill" in folder for name in names]
    findings.expect(not spilled, f"left behind: {spilled}")


def while_it_waits(options, findings, server, cluster, first, second, grant):
    server.fault("hang")
    holder = first.start("token", "g", "--refresh", "-q")
    server.wait_for_hanging()
    held = leases(cluster)
    findings.expect(len(held) >= 1, "it holds no lease")
    holder.signal(signal.SIGSTOP)
    other = second.start("token", "g", "--refresh", "-q")
    lasted = wait_until_over(cluster, held)
    # The one that asks elsewhere has its chance to do wrong, before the holder moves.
    asked = other.end()
    findings.expect(len(server.refreshes()) == 1, f"elsewhere it was sent once more: {asked}")
    # It had the lease, and left the token alone: so what the other one commits under its own is fenced.
    findings.expect(asked.status == 9 and "lost its lease" in text(asked), f"elsewhere: {asked}")
    server.release()
    # The whole of its time for the request is long over: what it finds when it wakes is both that, and the answer.
    until(lambda: has_unread(port_of(server)), "the answer to arrive")
    os.kill(holder.pid, signal.SIGCONT)
    outcome = holder.end()
    access, _ = server.issued(grant.family)
    findings.expect(outcome.status in (0, 8, 9), f"woken: {outcome}")
    findings.expect(outcome.status != 0 or fingerprint(token_of(outcome)) == access, f"woken, it gave: {outcome}")
    judge(server, grant, [first, second], findings)
    return f"stopped while it waits, its lease over after {lasted:.1f} s: {outcome}; elsewhere: {asked}"


def before_it_sends(options, findings, server, cluster, first, second, grant):
    log = os.path.join(first.root, "stops")
    port = port_of(server)
    injector = os.path.join(options.programs, "vault-test-injector")
    holder = Running(
        [injector, "--stop-at-port", str(port), "--log", log, "--",
         os.path.join(options.programs, "vault"), "token", "g", "--refresh", "-q"], first,
    )

    def lines():
        if holder.has_ended:
            outcome = holder.end()
            if outcome.status == 77:
                skip("the injector does not know this machine's system calls")
            raise Broken(f"it never connected: {outcome}")
        if not os.path.exists(log):
            return ""
        with open(log, encoding="utf-8", errors="replace") as file:
            return file.read()

    until(lambda: "hit" in lines(), "it to connect")
    pid = int(re.search(r"^started (\d+)", lines(), re.MULTILINE)[1])
    until(lambda: is_stopped(pid), "it to stop")
    held = leases(cluster)
    findings.expect(len(held) >= 1, "it holds no lease")
    other = second.start("token", "g", "--refresh", "-q")
    lasted = wait_until_over(cluster, held)
    asked = other.end()
    os.kill(pid, signal.SIGCONT)
    outcome = holder.end()
    findings.expect(asked.status in (0, 9), f"elsewhere: {asked}")
    findings.expect(outcome.status in (0, 9), f"woken: {outcome}")
    sent = len(server.refreshes())
    findings.expect(sent <= 1, f"{sent} requests")
    if sent == 0:
        # It was left alone elsewhere, since who slept might have had an answer. By now he has said that he had none.
        again = second.vault("token", "g", "--refresh", "-q")
        findings.expect(again.status == 0, f"elsewhere, once it is known that nothing was sent: {again}")
    judge(server, grant, [first, second], findings)
    return (
        f"stopped before it sends, its lease over after {lasted:.1f} s, {sent} requests till then: {outcome}; "
        f"elsewhere: {asked}"
    )


def main():
    options = arguments("what")
    findings = Findings()
    with Server() as server, guarded() as cluster, Machine(options.programs, cluster) as first, Machine(
        options.programs, cluster
    ) as second:
        first.make_vault()
        grant = server.grant()
        first.take(grant, endpoint=server.token_endpoint)
        work = {"answer": while_it_waits, "before": before_it_sends}[options.what]
        summary = work(options, findings, server, cluster, first, second, grant)
    # Tokens are none of the summary's.
    findings.finish(re.sub(r"\s+", " ", summary))


main()
