#!/usr/bin/env python3
"""`vault exec` with a token that has to be fetched first."""
from place import *


def fetching():
    """The program gets the fresh token, no connection, and it alone: neither a browser nor its parent has it."""
    server = authlib()
    with Home() as home:
        server.control(lifetime=2)
        home.logged_in("x", server)
        old = home.must("show", "x", "--reveal", "--json").json["access_token"]
        server.control(lifetime=3600)
        deadline = time.time() + 3
        while time.time() < deadline:
            pass
        outcome = home.vault("exec", "--env", "T=x", "--env", "U=x", "--", "sh", "-c",
                             'echo "$T"; echo "$U"; ls -l /proc/self/fd; tr "\\0" "\\n" </proc/$PPID/environ')
        token = home.must("token", "x").out.strip()
        expect("a fresh token, once for both", outcome.status == 0 and outcome.lines[:2] == [token, token] and token != old,
               outcome)
        expect("one refresh", len(server.log("token", grant_type="refresh_token")) == 1)
        expect("no connection of vault's", "socket:" not in outcome.out and "eventfd" not in outcome.out
               and "eventpoll" not in outcome.out, outcome)
        expect("and nobody else has it", outcome.out.count(token) == 2, outcome)
        server.end()
        outcome = home.vault("exec", "--min-valid", "9h", "--env", "T=x", "--", "sh", "-c", "echo ran")
        expect("less than was asked for is said, or refused", "vault:" in outcome.err, outcome)
        home.logged_in("bound", authlib(), "--dpop")
        fails("a bound token", home.vault("exec", "--env", "T=bound", "--", "true"), 125, "(exit 10 of vault)")


if __name__ == "__main__":
    main(fetching)
