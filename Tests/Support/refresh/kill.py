#!/usr/bin/env python3
"""`kill -9` before each call of `vault token --refresh` that changes a file, connects, sends or receives.

Between two such calls nothing happens that anybody else could see: these are all the instants there are.
"""

import time

from refreshing import (
    Findings, Home, Server, arguments, each, fingerprint, is_lost, sample, token_of, until,
)

MOST = 24
WRITES = ("write", "writev", "sendto", "sendmsg")


def is_network(call):
    return call[2].startswith("socket:")


class Subject:
    """A home, and the grant in it that is refreshed and killed until its answer is lost."""

    def __init__(self, home, server):
        self.home, self.server, self.number = home, server, 0
        self.renew()

    def renew(self):
        self.number += 1
        self.name = f"g{self.number}"
        self.grant = self.server.grant()
        self.home.take(self.grant, name=self.name, endpoint=self.server.token_endpoint)

    def requests(self):
        return [entry for entry in self.server.refreshes() if entry.get("family") == self.grant.family]

    def refresh(self, **options):
        return self.home.interfere("token", self.name, "--refresh", "-q", **options)


def points(subject, exhaustive):
    """Where to kill: a share of the calls that change files, and everything from the first network call to the last."""
    subject.refresh()
    calls = subject.refresh().calls
    network = [index + 1 for index, call in enumerate(calls) if is_network(call)]
    requests = sum(call[1] in WRITES for call in calls if is_network(call))
    if exhaustive:
        return list(range(1, len(calls) + 1)), len(calls), requests
    # Of the commit after the answer, more than of what comes before the journal.
    late = list(range(network[-1] + 1, len(calls) + 1))
    early = list(range(1, network[0]))
    share = [early[at - 1] for at in sample(len(early), MOST // 2, False)]
    share += network + [late[at - 1] for at in sample(len(late), MOST // 2, False)]
    return share, len(calls), requests


def main():
    options = arguments()
    findings = Findings()
    begin = time.monotonic()
    ends = {"old": 0, "new": 0, "lost": 0}
    with Server() as server, Home(options.programs) as first, Home(options.programs) as second:
        for home in (first, second):
            home.make_vault()
        subjects = [Subject(home, server) for home in (first, second)]
        chosen, total, requests = points(subjects[0], options.exhaustive)
        subjects[1].refresh()

        def cut(worker, at):
            subject = subjects[worker]
            home, name = subject.home, subject.name
            before, known = home.kept(name), len(subject.requests())
            outcome = subject.refresh(at=at)
            if outcome.hit is None:
                findings.expect(outcome.status == 0, f"not killed: {outcome}")
                return
            where = f"killed before call {outcome.hit}"
            if not findings.expect(outcome.status == 137, f"{where}: {outcome}"):
                return
            sent = sum(call[1] in WRITES for call in outcome.calls[:-1] if is_network(call))
            if sent == requests:
                # The kernel delivers what was written, though the writer is dead.
                until(lambda: len(subject.requests()) > known, "the request to arrive")
            rotated = server.issued(subject.grant.family)[1] != before.refresh_fingerprint
            kept = home.kept(name)
            if not findings.expect(kept is not None, f"{where}: the entry is gone"):
                return subject.renew()
            is_new = kept.refresh_fingerprint != before.refresh_fingerprint
            if is_new:
                issued = server.issued(subject.grant.family)
                whole = (kept.access_fingerprint, kept.refresh_fingerprint) == issued
                findings.expect(whole, f"{where}: neither the old grant nor the new one: {kept}")
            else:
                findings.expect(kept.access == before.access, f"{where}: half of a grant: {kept}")
            plain = home.vault("token", name, "-q")
            findings.expect(plain.status == 0 and token_of(plain) == kept.access, f"{where}: token: {plain}")
            again = home.vault("token", name, "--refresh", "-q")
            kept = home.kept(name)
            if rotated and not is_new:
                ends["lost"] += 1
                findings.expect(is_lost(again, name), f"{where}, with the answer lost: {again}")
                findings.expect(kept.refresh == before.refresh, f"{where}: the sealed token is gone: {kept}")
                return subject.renew()
            ends["new" if is_new else "old"] += 1
            findings.expect(again.status == 0, f"{where}, and refreshed again: {again}")
            access, refresh = server.issued(subject.grant.family)
            findings.expect(
                kept.refresh_fingerprint == refresh and fingerprint(token_of(again)) == access
                and kept.state == "active/", f"{where}: at last {kept}, and the server has {access}, {refresh}",
            )

        each(chosen, cut)
        reuses = server.state()["reuses"]
        findings.expect(reuses == ends["lost"], f"{reuses} reuses, and {ends['lost']} answers were lost")
    seconds = time.monotonic() - begin
    findings.finish(
        f"killed at {len(chosen)} of {total} instants: the old grant {ends['old']} times, the new one {ends['new']} times, "
        f"a lost answer {ends['lost']} times, in {seconds:.1f} s"
    )


main()
