#!/usr/bin/env python3
"""A hundred brokers in ten processes on one cluster, and one token that has run out: one request.

  brokers.py … MACHINES      over which the processes are spread
"""

import time

from machines import Machine, guarded
from refreshing import PAST, Asker, Findings, Server, arguments, fingerprint

PROCESSES, BROKERS = 10, 10
ROUNDS = 2


class Brokers(Asker):
    """A process with brokers of its own."""

    arguments = [str(BROKERS)]

    def all_ask(self):
        self.begin(f"many {BROKERS}")

    def different(self):
        words = self.answer().split(" ", 3)
        if words[0] != "tokens":
            return " ".join(words)
        return int(words[1])


def main():
    options = arguments("machines")
    findings = Findings()
    count = int(options.machines)
    with Server() as server, guarded() as cluster:
        machines = [Machine(options.programs, cluster) for _ in range(count)]
        try:
            machines[0].make_vault()
            grant = server.grant()
            machines[0].take(grant, endpoint=server.token_endpoint, expiry=PAST)
            askers = [Brokers(machines[number % count]) for number in range(PROCESSES)]
            begin = time.monotonic()
            for number in range(ROUNDS):
                # What comes of all rounds but the last has run out when it arrives, so that there is one to come.
                is_last = number == ROUNDS - 1
                server.control(expires_in=None if is_last else 0)
                server.fault("hang")
                for asker in askers:
                    asker.all_ask()
                for asker in askers:
                    asker.has_begun()
                server.wait_for_hanging()
                server.release()
                for asker in askers:
                    different = asker.different()
                    findings.expect(different == 1, f"expiry {number + 1}: a process got {different} tokens")
                made = len(server.refreshes())
                findings.expect(made == number + 1, f"{made} requests for {number + 1} expiries")
                if findings.count:
                    break
            lasted = time.monotonic() - begin
            access, refresh = server.issued(grant.family)
            for asker in askers:
                answer = asker.ask("plain")
                findings.expect(fingerprint(answer.removeprefix("token ")) == access, f"at last: {answer}")
                findings.expect(asker.end() == 0, "a process did not end well")
            kept = machines[-1].kept()
            findings.expect(kept and kept.refresh_fingerprint == refresh and kept.state == "active/", f"kept: {kept}")
            state = server.state()
            findings.expect(state["reuses"] == 0 and state["families_revoked"] == 0, f"the server: {state}")
        finally:
            for machine in machines:
                machine.__exit__()
    findings.finish(
        f"{PROCESSES * BROKERS} brokers in {PROCESSES} processes on {count} machines, {ROUNDS} expiries: "
        f"{made} requests in {lasted:.1f} s"
    )


main()
