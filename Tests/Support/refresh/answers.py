#!/usr/bin/env python3
"""What each answer means, from a server that is told to give it and a network that is not well.

  answers.py … statuses | words | bodies | lifetimes | sequences
"""

import json
import random
import socket

from refreshing import (
    Findings, Server, arguments, fingerprint, home_with_grant, is_lost, is_possibly_lost, text, token_of,
)

# What comes of a request that the server did not carry out, and of the next one, with nothing in its way.
STATUSES = [
    ({"kind": "status", "status": 500}, 9, True),
    ({"kind": "status", "status": 502, "body": "<html>bad gateway</html>"}, 9, True),
    ({"kind": "status", "status": 503}, 9, True),
    ({"kind": "status", "status": 503, "headers": {"Retry-After": "99999"}}, 9, True),
    ({"kind": "status", "status": 408}, 9, True),
    ({"kind": "status", "status": 429}, 9, False),
    ({"kind": "status", "status": 429, "headers": {"Retry-After": "120"}}, 9, False),
    ({"kind": "status", "status": 429, "headers": {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}}, 9, False),
    ({"kind": "status", "status": 400}, 9, False),
    ({"kind": "status", "status": 401}, 9, False),
    ({"kind": "status", "status": 403, "body": "no"}, 9, False),
    ({"kind": "status", "status": 404, "body": "<html>not here</html>"}, 9, False),
    ({"kind": "html"}, 9, True),
    ({"kind": "drop-before"}, 9, True),
    ({"kind": "drop-before", "reset": True}, 9, True),
]
WORDS = [
    ("invalid_client", 401, 78), ("invalid_client", 400, 78), ("unauthorized_client", 400, 78),
    ("unsupported_grant_type", 400, 78), ("invalid_scope", 400, 78), ("invalid_target", 400, 78),
    ("temporarily_unavailable", 503, 9), ("temporarily_unavailable", 400, 9), ("server_error", 400, 9),
    ("server_error", 500, 9), ("invalid_request", 400, 9), ("something_else", 400, 9),
]
DEAD = [("invalid_grant", 400), ("invalid_grant", 401), ("invalid_grant", 403), ("invalid_grant", 200)]
LIFETIMES = [
    0, -1, -10**400, "3600", " 3600 ", "", "soon", 3600.5, 1e300, 10**400, "1e3", "0x10", True, None, [], {}, [3600],
    {"seconds": 3600}, "omit", 9223372036854775807, 9223372036854775808, 1e-9, "99999999999999999999", "-0",
]


class Subject:
    """A home and a server; each case has a grant of its own."""

    def __init__(self, home, server):
        self.home, self.server, self.number = home, server, 0

    def grant(self):
        self.number += 1
        self.name = f"c{self.number}"
        grant = self.server.grant()
        self.home.take(grant, name=self.name, endpoint=self.server.token_endpoint)
        return grant

    def refresh(self):
        return self.home.vault("token", self.name, "--refresh", "-q")

    def kept(self):
        return self.home.kept(self.name)


def unspent(subject, grant, outcome, expected, where, findings, says_lost=None):
    """It was not carried out: the documented exit, nothing printed, the grant kept, and usable at once."""
    findings.expect(outcome.status == expected and outcome.out == b"", f"{where}: {outcome}")
    lines = [line for line in text(outcome).splitlines() if line.startswith("vault: error: ")]
    findings.expect(len(lines) == 1, f"{where}: not one sentence: {outcome}")
    for secret in (grant.access, grant.refresh):
        findings.expect(secret not in text(outcome), f"{where}: a secret is in the error")
    if says_lost is not None:
        findings.expect(("lost" in text(outcome)) == says_lost, f"{where}: lost, or not: {outcome}")
    kept = subject.kept()
    findings.expect(
        kept.refresh == grant.refresh and kept.access == grant.access and kept.state == "active/", f"{where}: {kept}"
    )
    plain = subject.home.vault("token", subject.name, "-q")
    findings.expect(plain.status == 0 and token_of(plain) == grant.access, f"{where}: the old token: {plain}")
    again = subject.refresh()
    findings.expect(again.status == 0, f"{where}, and again: {again}")
    rotated(subject, grant, again, where, findings)


def rotated(subject, grant, outcome, where, findings):
    """The vault has what the server gave out last."""
    access, refresh = subject.server.issued(grant.family)
    kept = subject.kept()
    findings.expect(fingerprint(token_of(outcome)) == access, f"{where}: another token than the server gave")
    findings.expect(
        (kept.access_fingerprint, kept.refresh_fingerprint, kept.state) == (access, refresh, "active/"), f"{where}: {kept}"
    )


def lost(subject, grant, outcome, where, findings):
    """It was carried out, and the answer is not good for anything: said so at once, and precisely the next time."""
    findings.expect(is_possibly_lost(outcome) and outcome.out == b"", f"{where}: {outcome}")
    kept = subject.kept()
    findings.expect(kept.refresh == grant.refresh and kept.access == grant.access, f"{where}: {kept}")
    again = subject.refresh()
    findings.expect(is_lost(again, subject.name), f"{where}, and again: {again}")
    findings.expect(subject.kept().refresh == grant.refresh, f"{where}: the sealed token is gone")


def statuses(subject, findings):
    for fault, expected, may_be_lost in STATUSES:
        grant = subject.grant()
        subject.server.fault(**fault)
        where = json.dumps(fault)
        unspent(subject, grant, subject.refresh(), expected, where, findings, says_lost=may_be_lost)
    with Listener() as listener:
        for status in (301, 302, 303, 307, 308):
            grant = subject.grant()
            subject.server.fault("redirect", location=listener.url, status=status)
            unspent(subject, grant, subject.refresh(), 9, f"redirected by {status}", findings)
        findings.expect(listener.connections == 0, f"{listener.connections} connections to where it was redirected")
    return len(STATUSES) + 5


class Listener:
    """Another host: it counts who connects. The backlog is the kernel's, so nobody needs to accept in time."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.2", 0))
        self.socket.setblocking(False)
        self.url = f"http://127.0.0.2:{self.socket.getsockname()[1]}/token"
        return self

    def __exit__(self, *_):
        self.socket.close()

    @property
    def connections(self):
        count = 0
        while True:
            try:
                self.socket.accept()[0].close()
                count += 1
            except BlockingIOError:
                return count


def words(subject, findings):
    for word, status, expected in WORDS:
        grant = subject.grant()
        subject.server.fault("error", error=word, status=status, description="because \x1b[31m of \u202e it")
        outcome = subject.refresh()
        where = f"{word} with {status}"
        findings.expect("\x1b" not in text(outcome) and "\u202e" not in text(outcome), f"{where}: it reaches the terminal")
        if expected == 78:
            findings.expect(word in text(outcome), f"{where}: it is not named: {outcome}")
        unspent(subject, grant, outcome, expected, where, findings)
    for word, status in DEAD:
        grant = subject.grant()
        subject.server.fault("error", error=word, status=status)
        outcome = subject.refresh()
        where = f"{word} with {status}"
        hint = f"vault: hint: vault login {subject.name}"
        findings.expect(outcome.status == 5 and hint in text(outcome), f"{where}: {outcome}")
        findings.expect("lost" not in text(outcome), f"{where}: nothing was lost: {outcome}")
        asked = len(subject.server.refreshes())
        again = subject.refresh()
        findings.expect(again.status == 5 and len(subject.server.refreshes()) == asked, f"{where}, again: {again}")
        kept = subject.kept()
        findings.expect(
            kept.refresh == grant.refresh and kept.state.startswith("reauthorizationRequired"), f"{where}: {kept}"
        )
    return len(WORDS) + len(DEAD)


def bodies(subject, findings):
    """Answers with 200 that are none; one that is carried out is lost, and one that is not is kept."""
    made = [
        "", "null", "[]", "{}", "{", "\ufeff{}", '"at"', "[" * 100_000,
        '{"access_token": 7}', '{"access_token": ""}', '{"access_token": "a b\\u0000"}', '{"access_token": "at", ' * 2,
        '{"access_token": "at-one", "access_token": "at-two", "token_type": "Bearer"}', '{"token_type": "Bearer"}',
    ]
    for body in made:
        for processes in (False, True):
            grant = subject.grant()
            headers = {"Content-Type": "application/json"}
            subject.server.fault("status", status=200, body=body, headers=headers, process=processes)
            where = f"200 with {body[:60]!r}{', carried out' if processes else ''}"
            outcome = subject.refresh()
            if processes:
                lost(subject, grant, outcome, where, findings)
            else:
                unspent(subject, grant, outcome, 9, where, findings)
    for fault in ({"kind": "truncate"}, {"kind": "truncate", "reset": True}, {"kind": "truncate", "bytes": 0},
                  {"kind": "status", "status": 500, "process": True}):
        grant = subject.grant()
        subject.server.fault(**fault)
        lost(subject, grant, subject.refresh(), json.dumps(fault), findings)
    for fault in ({"kind": "drip", "interval": 0.002}, {"kind": "patch", "set": {"scope": None}}, {"kind": "no_rotation"},
                  {"kind": "patch", "set": {"token_type": "BEARER", "more": {"and": ["more"]}}}):
        grant = subject.grant()
        subject.server.fault(**fault)
        outcome = subject.refresh()
        where = json.dumps(fault)
        findings.expect(outcome.status == 0, f"{where}: {outcome}")
        if fault["kind"] == "no_rotation":
            findings.expect(subject.kept().refresh == grant.refresh, f"{where}: {subject.kept()}")
        else:
            rotated(subject, grant, outcome, where, findings)
        findings.expect(subject.refresh().status == 0, f"{where}, and again")
    # RFC 9110 §12.5.3: nobody asked for a coding, and a bomb costs nothing.
    grant = subject.grant()
    subject.server.fault("gzip")
    lost(subject, grant, subject.refresh(), "gzip", findings)
    return 2 * len(made) + 9


def lifetimes(subject, findings):
    """Handed out once, whatever it says, and the new refresh token is kept."""
    for value in LIFETIMES:
        grant = subject.grant()
        where = f"expires_in {str(value)[:40]!r}"
        subject.server.fault("expires_in", value=value)
        outcome = subject.refresh()
        # "`expires_in` may be a number, a numeric string, missing, 0, negative, huge."
        findings.expect(outcome.status == 0, f"{where}: {outcome}")
        rotated(subject, grant, outcome, where, findings)
        plain = subject.home.vault("token", subject.name, "-q")
        findings.expect(plain.status == 0, f"{where}, and then: {plain}")
        findings.expect(subject.refresh().status == 0, f"{where}, and again")
    findings.expect(subject.server.state()["reuses"] == 0, "a spent token was sent")
    return len(LIFETIMES)


def sequences(subject, findings, steps):
    """Random rows of the table: a refresh token is lost only if the server consumed it and no answer arrived."""
    rows = [({"kind": None}, "granted")] * 4
    rows += [(fault, "kept") for fault, _, _ in STATUSES]
    rows += [({"kind": "error", "error": word, "status": status}, "kept") for word, status, _ in WORDS]
    rows += [({"kind": kind}, "spent") for kind in ("drop-after-rotation", "truncate", "gzip")]
    rows += [({"kind": "status", "status": 503, "process": True}, "spent")]
    rows += [({"kind": "no_rotation"}, "granted"), ({"kind": "expires_in", "value": "omit"}, "granted")]
    generator = random.Random(20261121)
    reported = 0
    grant, history, is_spent = subject.grant(), [], False
    for _ in range(steps):
        fault, effect = generator.choice(rows)
        history.append(fault.get("error") or fault["kind"])
        before = subject.kept()
        if fault["kind"]:
            subject.server.fault(**fault)
        outcome = subject.refresh()
        kept = subject.kept()
        where = f"after {history[-6:]}"
        if is_spent and effect in ("granted", "spent"):
            # The server looks at the spent token: its refusal arrives, or that is lost too.
            if is_lost(outcome, subject.name):
                reported += 1
                findings.expect(kept.refresh == before.refresh, f"{where}: the sealed token is gone")
                subject.server.control(clear_faults=True)
                grant, history, is_spent = subject.grant(), [], False
                continue
            findings.expect(effect == "spent" and outcome.status == 9, f"{where}: {outcome}")
        elif effect == "granted":
            findings.expect(outcome.status == 0, f"{where}: {outcome}")
            findings.expect(
                kept.refresh_fingerprint == subject.server.issued(grant.family)[1]
                or history[-1] == "no_rotation" and kept.refresh == before.refresh, f"{where}: {kept}",
            )
        else:
            is_spent = is_spent or effect == "spent"
            findings.expect(outcome.status in (5, 9, 78), f"{where}: {outcome}")
            # Refused three times without a clear reason, it is suspect: 5, and still tried.
            suspect = outcome.status == 5
            findings.expect(not suspect or kept.state.startswith("suspect"), f"{where}: {outcome}, {kept}")
            findings.expect(kept.refresh == before.refresh, f"{where}: the token was replaced: {kept}")
            findings.expect(effect != "spent" or "lost" in text(outcome), f"{where}: {outcome}")
    return f"{steps} random steps, {reported} lost answers, each reported as such"


def main():
    options = arguments("what")
    findings = Findings()
    with Server() as server, home_with_grant(options.programs, server) as (home, _):
        subject = Subject(home, server)
        if options.what == "sequences":
            findings.finish(sequences(subject, findings, 1000 if options.exhaustive else 60))
        kinds = {"statuses": statuses, "words": words, "bodies": bodies, "lifetimes": lifetimes}
        findings.finish(f"{kinds[options.what](subject, findings)} {options.what}")


main()
