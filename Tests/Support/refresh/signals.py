#!/usr/bin/env python3
"""Signals while the server holds the answer.

  signals.py … TERM | INT | HUP | QUIT | TSTP | STOP
"""

import os
import signal

from refreshing import (
    Asker, Findings, Server, arguments, fingerprint, home_with_grant, skip, token_of, until,
)


def postponed(options, findings, number):
    """The rotated token is in the vault, and then the process does what the signal says."""
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        server.fault("hang")
        running = home.start("token", "g", "--refresh", "-q")
        server.wait_for_hanging()
        running.signal(number)
        findings.expect(not running.has_ended, "it ended while the server held the answer")
        server.release()
        if number == signal.SIGTSTP:
            _, status = os.waitpid(running.pid, os.WUNTRACED)
            findings.expect(os.WIFSTOPPED(status), f"it did not stop: {status}")
        outcome = None if number == signal.SIGTSTP else running.end()
        access, refresh = server.issued(grant.family)
        kept = home.kept()
        findings.expect(
            kept.refresh_fingerprint == refresh and kept.access_fingerprint == access and kept.state == "active/",
            f"kept: {kept}; the server has {access}, {refresh}",
        )
        if number == signal.SIGTSTP:
            # It was stopped with its work done: nobody waits for it.
            other = home.vault("token", "g", "--refresh", "-q")
            findings.expect(other.status == 0, f"while it is stopped: {other}")
            newest, _ = server.issued(grant.family)
            os.kill(running.pid, signal.SIGCONT)
            outcome = running.end()
            findings.expect(outcome.status == 0, f"continued: {outcome}")
            findings.expect(fingerprint(token_of(outcome)) == access, "continued, it gave another token")
            access = newest
        else:
            findings.expect(outcome.status == 128 + number, f"it did not end by the signal: {outcome}")
            findings.expect(outcome.out == b"", "it printed a token all the same")
        after = home.vault("token", "g", "-q")
        findings.expect(after.status == 0 and fingerprint(token_of(after)) == access, f"afterwards: {after}")
        wanted = 2 if number == signal.SIGTSTP else 1
        findings.expect(len(server.refreshes()) == wanted, f"there were {len(server.refreshes())} requests")


def stopped(options, findings):
    """Others wait for a holder that does not move, or are given the old token; none of them asks the server."""
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        asker = Asker(home)
        server.fault("hang")
        holder = home.start("token", "g", "--refresh", "-q")
        server.wait_for_hanging()
        holder.signal(signal.SIGSTOP)
        plain = home.vault("token", "g", "-q")
        findings.expect(plain.status == 0 and token_of(plain) == grant.access, f"the valid token: {plain}")
        log = home.file("waits")
        waiting = home.start("token", "g", "--refresh", "-q", prefix=[*home.injector(log, "io"), "--"])
        asker.begin(f"rejected {grant.access}")
        asker.has_begun()

        def tries():
            """How often it has tried to take the lease."""
            if not os.path.exists(log):
                return 0
            with open(log, encoding="utf-8", errors="replace") as lines:
                return sum(" fcntl " in line and line.rstrip().endswith("/leases") for line in lines)

        until(lambda: waiting.has_ended or tries() >= 5, "the other one to wait")
        findings.expect(not waiting.has_ended, "it did not wait")
        server.release()
        before = tries()
        until(lambda: waiting.has_ended or tries() >= before + 5, "the other one to wait on")
        findings.expect(not waiting.has_ended, "it did not wait for a holder that has its answer")
        findings.expect(len(server.refreshes()) == 1, "it sent a request of its own")
        os.kill(holder.pid, signal.SIGCONT)
        outcomes = [holder.end(), waiting.end()]
        if outcomes[1].status == 77:
            skip("the injector does not know this machine's system calls")
        access, refresh = server.issued(grant.family)
        for outcome in outcomes:
            findings.expect(outcome.status == 0 and fingerprint(token_of(outcome)) == access, f"at last: {outcome}")
        answer = asker.answer()
        findings.expect(fingerprint(answer.removeprefix("token ")) == access, f"a worker: {answer}")
        asker.end()
        kept = home.kept()
        findings.expect(kept.refresh_fingerprint == refresh and kept.state == "active/", f"kept: {kept}")
        state = server.state()
        findings.expect(len(server.refreshes()) == 1 and state["reuses"] == 0, f"the server: {state}")


def main():
    options = arguments("what")
    findings = Findings()
    if options.what == "STOP":
        stopped(options, findings)
    else:
        postponed(options, findings, getattr(signal, "SIG" + options.what))
    findings.finish(f"SIG{options.what} while the server holds the answer")


main()
