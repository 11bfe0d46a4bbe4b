#!/usr/bin/env python3
"""What asks the agent to let go, while the authorization server holds the answer to its refresh.

  refreshes.py … lock | stop | TERM | INT
"""

import os
import signal
import time

from agents import AgentHome, Findings, Server, agents_of, arguments, fingerprint, text, token_of, until


def main():
    options = arguments("what")
    findings = Findings()
    begin = time.monotonic()
    with Server() as server, AgentHome(options.programs) as home:
        home.make_vault()
        grant = server.grant()
        home.take(grant, endpoint=server.token_endpoint)
        home.must("unlock", "-q")
        home.take_key()
        process = home.agent
        server.fault("hang")
        asking = home.start("token", "g", "--refresh", "-q", "--no-input")
        server.wait_for_hanging()
        locking = None
        if options.what in ("lock", "stop"):
            words = {"lock": ["lock"], "stop": ["agent", "stop"]}[options.what]
            locking = home.start(*words)
            # It has begun to lock once nobody else gets in.
            until(lambda: home.vault("token", "g", "--no-input").status == 3, "the vault to be locked")
            findings.expect(not locking.has_ended, "it did not wait for the answer")
        else:
            number = getattr(signal, "SIG" + options.what)
            os.kill(process, number)
        findings.expect(process in agents_of(home), "the agent ended while the server held the answer")
        server.release()
        outcome = asking.end()
        if locking:
            # Who asked before it was locked has an answer; who is hung up on by an agent that ends may have none.
            findings.expect(outcome.status == 0, f"who asked: {outcome}")
            findings.expect(fingerprint(token_of(outcome)) == server.issued(grant.family)[0], "another token")
            done = locking.end()
            findings.expect(done.status == 0, f"vault {options.what}: {done}")
        if options.what != "lock":
            until(lambda: not agents_of(home), "the agent to end")
        access, refresh = server.issued(grant.family)
        kept = []

        def has_come():
            home.give_key()
            kept[:] = [home.kept()]
            home.take_key()
            return kept[0].refresh_fingerprint == refresh and kept[0].access_fingerprint == access

        findings.expect(has_come(), f"kept: {kept[0]}; the server has {access}, {refresh}")
        findings.expect(kept[0].state == "active/", f"its state: {kept[0].state}")
        findings.expect(len(server.refreshes()) == 1, f"there were {len(server.refreshes())} requests")
        home.give_key()
        home.must("unlock", "-q")
        home.take_key()
        after = home.vault("token", "g", "-q", "--no-input")
        findings.expect(after.status == 0 and fingerprint(token_of(after)) == access, f"afterwards: {after}")
        findings.expect(server.state()["reuses"] == 0, "a token was used twice")
    findings.finish(f"{options.what} during a refresh, in {time.monotonic() - begin:.1f} s")


main()
