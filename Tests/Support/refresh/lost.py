#!/usr/bin/env python3
"""The server rotates and its answer is lost on the way.

  lost.py … server | reset | proxy
"""

from refreshing import (
    Findings, Peer, Server, arguments, fingerprint, home_with_grant, is_lost, is_possibly_lost, token_of,
)

CALLERS = 20


def lose(server, home, grant, drop, findings):
    spent = fingerprint(grant.refresh)

    def sent():
        """How often the token has been sent."""
        return sum(entry["refresh_token"] == spent for entry in server.refreshes())

    drop()
    first = home.vault("token", "g", "--refresh", "-q")
    findings.expect(is_possibly_lost(first), f"the first: {first}")
    findings.expect(sent() == 1, f"the first sent it {sent()} times")
    # The access token there is was not refused, and nobody has to do without it.
    plain = home.vault("token", "g", "-q")
    findings.expect(plain.status == 0 and token_of(plain) == grant.access, f"the old token: {plain}")
    findings.expect(sent() == 1, "handing out the old token sent something")
    running = [home.start("token", "g", "--refresh", "-q") for _ in range(CALLERS)]
    outcomes = [program.end() for program in running]
    findings.expect(
        all(is_lost(outcome) for outcome in outcomes), f"{CALLERS} at once: {sorted({str(o) for o in outcomes})}"
    )
    findings.expect(sent() == 2, f"the spent token was sent {sent()} times")
    for outcome in [home.vault("token", "g", "--refresh"), home.vault("token", "g")]:
        findings.expect(is_lost(outcome), f"later: {outcome}")
    findings.expect(sent() == 2 == len(server.refreshes()), f"later it was sent again: {sent()}")
    kept = home.kept()
    findings.expect(kept.refresh_fingerprint == spent, f"the sealed token is gone: {kept}")
    findings.expect(kept.state == "reauthorizationRequired/rotationResponseLost", f"state: {kept}")
    # What a new login puts there is used as if nothing had been.
    again = server.grant()
    home.take(again, name="again", endpoint=server.token_endpoint)
    findings.expect(home.vault("token", "again", "--refresh", "-q").status == 0, "another grant does not work")
    return sent()


def lose_from_many(server, home, findings, drop, endpoint):
    """All callers at once, from the start: whoever comes second may spend it once more, and nobody after that."""
    grant = server.grant()
    home.take(grant, name="many", endpoint=endpoint)
    drop()
    running = [home.start("token", "many", "--refresh", "-q") for _ in range(CALLERS)]
    outcomes = [program.end() for program in running]
    findings.expect(
        all(is_possibly_lost(outcome) or is_lost(outcome, "many") for outcome in outcomes),
        f"from the start: {sorted({str(o) for o in outcomes})}",
    )
    last = home.vault("token", "many", "--refresh")
    findings.expect(is_lost(last, "many"), f"after all: {last}")
    sent = sum(entry["refresh_token"] == fingerprint(grant.refresh) for entry in server.refreshes())
    findings.expect(sent == 2, f"{CALLERS} from the start sent the spent token {sent} times")
    return sent


def main():
    options = arguments("what")
    findings = Findings()
    with Server() as server:
        if options.what == "proxy":
            with Peer("dropping_proxy.py", "--to", server.base.removeprefix("http://")) as proxy:
                endpoint = proxy.base + "/token"

                def drop():
                    proxy.ask("/_drop", {"count": 1, "grant_type": "refresh_token"})

                with home_with_grant(options.programs, server, endpoint) as (home, grant):
                    times = lose(server, home, grant, drop, findings)
                    many = lose_from_many(server, home, findings, drop, endpoint)
                dropped = proxy.ask("/_dropped")["dropped"]
                findings.expect([entry["status"] for entry in dropped] == [200, 200], f"dropped: {dropped}")
        else:
            def drop():
                server.fault("drop-after-rotation", reset=options.what == "reset")

            with home_with_grant(options.programs, server) as (home, grant):
                times = lose(server, home, grant, drop, findings)
                many = lose_from_many(server, home, findings, drop, server.token_endpoint)
    findings.finish(f"a lost answer ({options.what}): the spent token was sent {times} and {many} times in all")


main()
