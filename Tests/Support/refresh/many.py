#!/usr/bin/env python3
"""Many processes ask for one token: one request, and what one of them takes away is gone for all.

  many.py … expiries | flags | gone | rename | rotate
"""

import os
import time

from refreshing import (
    Asker, Findings, Server, arguments, fingerprint, home_with_grant, skip, token_of, until,
)


def expiries(options, findings):
    """Every expiry costs one request, whoever notices it and however.

    Three kinds in turn. `rejected`: the resource refuses a token that looks valid, and all workers say so at once while
    commands come and go. `expired`: the token has run out, and commands as well as workers find that. `forced`: commands
    want a new token whatever the old one is worth. In the last two a request that came after the answer would rightly
    be a second one, so the server holds the answer until all have begun to ask.
    """
    workers, commands, rounds = (100, 20, 1000) if options.exhaustive else (20, 5, 30)
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        askers = [Asker(home) for _ in range(workers)]
        current = grant.access
        before = len(server.refreshes())
        begin = time.monotonic()
        for number in range(rounds):
            kind = ("rejected", "forced", "expired")[number % 3]
            where = f"expiry {number + 1}, {kind}"
            holds = kind != "rejected"
            server.ask("/_expire", {})
            # What comes of the round before an `expired` one is a token that has run out already.
            server.control(expires_in=0 if (number + 1) % 3 == 2 else None)
            if holds:
                server.fault("hang")
            line = "plain" if kind == "expired" else f"rejected {current}"
            for asker in askers:
                asker.begin(line)
            running = [
                home.start("token", "g", "-q", *(["--refresh"] if kind == "forced" else [])) for _ in range(commands)
            ]
            for asker in askers:
                asker.has_begun()
            if holds:
                server.wait_for_hanging()
                server.release()
            answers = {asker.answer() for asker in askers}
            new = server.issued(grant.family)[0]
            token = answers.copy().pop().removeprefix("token ")
            findings.expect(
                len(answers) == 1 and fingerprint(token) == new, f"{where}: workers got {sorted(answers)}"
            )
            for program in running:
                outcome = program.end()
                got = token_of(outcome)
                # A command that knows of no refusal may be given the token that looks valid.
                allowed = {token} | ({current} if kind == "rejected" else set())
                findings.expect(outcome.status == 0 and got in allowed, f"{where}: a command: {outcome}")
            current = token
        seconds = time.monotonic() - begin
        requests = server.refreshes()[before:]
        state = server.state()
        findings.expect(len(requests) == rounds, f"{len(requests)} requests for {rounds} expiries")
        outcomes = {entry["outcome"] for entry in requests}
        findings.expect(outcomes == {"granted"}, f"the server saw {outcomes}")
        findings.expect(state["reuses"] == 0 and state["families_revoked"] == 0, f"reuse was detected: {state}")
        kept = home.kept()
        findings.expect(
            kept.refresh_fingerprint == server.issued(grant.family)[1] and kept.state == "active/", f"at last: {kept}"
        )
        for asker in askers:
            findings.expect(asker.end() == 0, "a worker did not end well")
        return (
            f"{workers} workers and {commands} commands over {rounds} expiries: {len(requests)} requests, "
            f"{state['reuses']} reuses, {state['families_revoked']} grants revoked, {seconds:.1f} s"
        )


def flags(options, findings):
    """20 × `--refresh` at once are one request; two in turn are two, and so are two refusals of different tokens."""
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        server.fault("hang")
        running = [home.start("token", "g", "--refresh", "-q") for _ in range(20)]
        server.wait_for_hanging()
        server.release()
        outcomes = [program.end() for program in running]
        tokens = {token_of(outcome) for outcome in outcomes}
        findings.expect(all(outcome.status == 0 for outcome in outcomes), f"20 at once: {[str(o) for o in outcomes]}")
        findings.expect(len(tokens) == 1 and grant.access not in tokens, f"20 at once got {len(tokens)} tokens")
        at_once = len(server.refreshes())
        findings.expect(at_once == 1, f"20 at once made {at_once} requests")
        first = home.vault("token", "g", "--refresh", "-q")
        second = home.vault("token", "g", "--refresh", "-q")
        findings.expect(first.status == second.status == 0, f"in turn: {first}, {second}")
        findings.expect(token_of(first) != token_of(second), "two in turn got one token")
        in_turn = len(server.refreshes()) - at_once
        findings.expect(in_turn == 2, f"two in turn made {in_turn} requests")
        findings.expect(token_of(home.vault("token", "g", "-q")) == token_of(second), "a third one got another token")
        findings.expect(len(server.refreshes()) == 3, "a valid token was refreshed")
        return f"20 at once: {at_once} request; 2 in turn: {in_turn} requests"


def gone(options, findings):
    """`remove`, `logout` and `rename` count for a process that has had the vault open all along, at its next call."""
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        asker = Asker(home)
        findings.expect(asker.ask("plain") == f"token {grant.access}", "the worker did not get the token")
        home.must("rename", "g", "other")
        answer = asker.ask("plain")
        findings.expect(answer.startswith("error 4 "), f"after a rename: {answer}")
        home.must("rename", "other", "g")
        findings.expect(asker.ask("plain") == f"token {grant.access}", "renamed back, it is not there")
        home.must("remove", "g", "--yes")
        for line in ("plain", "refresh", f"rejected {grant.access}"):
            answer = asker.ask(line)
            findings.expect(answer.startswith("error 4 "), f"after remove: {line}: {answer}")
        again = server.grant()
        home.take(again, endpoint=server.token_endpoint)
        findings.expect(asker.ask("plain") == f"token {again.access}", "a new grant by that name is not seen")
        # There is no revocation endpoint in an imported grant; it is deleted all the same, and it is said so.
        done = home.vault("logout", "g", "--yes")
        findings.expect(done.status == 0, f"logout: {done}")
        answer = asker.ask("plain")
        findings.expect(answer.startswith("error 4 "), f"after logout: {answer}")
        findings.expect(not server.refreshes(), "something was refreshed")
        findings.expect(home.vault("token", "g").status == 4, "a command still finds it")
        asker.end()
        return "removed, logged out and renamed entries are gone for a process that has the vault open"


def meanwhile(options, findings, *change):
    """A change of the vault while a refresh hangs: both get through, and the rotated token is usable."""
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        name = "new" if change[0] == "rename" else "g"
        asker = Asker(home, name)
        server.fault("hang")
        refreshing = home.start("token", "g", "--refresh", "-q")
        server.wait_for_hanging()
        log = home.file("waits")
        changing = home.start(*change, prefix=[*home.injector(log, "io"), "--"])

        def tried():
            """Whether it is through, or has asked for the lease in vain a few times."""
            with open(log, encoding="utf-8", errors="replace") as lines:
                return changing.has_ended or sum(" fcntl " in line and "lease" in line for line in lines) > 3

        until(lambda: os.path.exists(log) and tried(), f"{change[0]} to wait, or to be done")
        waited = not changing.has_ended
        server.release()
        refreshed, changed = refreshing.end(), changing.end()
        if changed.status == 77:
            skip("the injector does not know this machine's system calls")
        findings.expect(refreshed.status == 0, f"the refresh: {refreshed}")
        findings.expect(changed.status == 0, f"{change[0]}: {changed}")
        access, refresh = server.issued(grant.family)
        kept = home.kept(name)
        findings.expect(kept and kept.refresh_fingerprint == refresh and kept.state == "active/", f"kept: {kept}")
        findings.expect(fingerprint(token_of(refreshed)) == access, "the refresh gave another token")
        findings.expect(token_of(home.vault("token", name, "-q")) == token_of(refreshed), "it is not usable by its name")
        again = home.vault("token", name, "--refresh", "-q")
        findings.expect(again.status == 0, f"refreshed once more: {again}")
        findings.expect(asker.ask("plain") == "token " + token_of(again), "a process from before does not get it")
        asker.end()
        findings.expect(len(server.refreshes()) == 2 and server.state()["reuses"] == 0, f"{server.state()}")
        return f"{' '.join(change)} while a refresh hangs: {'waits' if waited else 'does not wait'}, nothing is lost"


def main():
    options = arguments("what")
    findings = Findings()
    summary = {
        "expiries": expiries, "flags": flags, "gone": gone,
        "rename": lambda *both: meanwhile(*both, "rename", "g", "new"),
        "rotate": lambda *both: meanwhile(*both, "key", "rotate", "--yes"),
    }[options.what](options, findings)
    findings.finish(summary)


main()
