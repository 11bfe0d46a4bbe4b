#!/usr/bin/env python3
"""The disk fails between the server's answer and the commit.

  commit.py … vault | state | everything | full | room

`vault`: where the vault lies nothing can be written, and the room that was prepared beside it is used. `state`: neither
there, and the session's directory is. `everything`: nowhere. `full`: a disk without space. `room`: it was full before.
"""

import errno
import os

from refreshing import (
    Disk, Findings, Home, Server, arguments, home_with_grant, is_lost, fingerprint, sample, text, token_of,
)

MOST = 8
WRITES = ("write", "writev", "sendto", "sendmsg")


def after_answer(home, under):
    """How many calls that change files below a directory come before the answer, and how many in all."""
    home.interfere("token", "g", "--refresh", "-q")
    calls = home.interfere("token", "g", "--refresh", "-q").calls
    sent = max(index for index, call in enumerate(calls) if call[2].startswith("socket:") and call[1] in WRITES)
    before = sum(call[2].startswith(under) for call in calls[:sent])
    return before, sum(call[2].startswith(under) for call in calls)


def is_rotated(server, grant, home, outcome, where, findings):
    """Whether the vault has what the server gave out last, and says so without asking it again."""
    access, refresh = server.issued(grant.family)
    kept = home.kept()
    findings.expect(outcome.status == 0 and fingerprint(token_of(outcome)) == access, f"{where}: the next: {outcome}")
    findings.expect(
        kept.refresh_fingerprint == refresh and kept.access_fingerprint == access and kept.state == "active/",
        f"{where}: kept: {kept}; the server has {access}, {refresh}",
    )
    spilled = [name for folder, _, names in os.walk(home.home) if "/spill" in folder for name in names]
    findings.expect(not spilled, f"{where}: a spill file was left behind: {spilled}")


def broken(options, findings, where):
    with Server() as server, home_with_grant(options.programs, server) as (home, grant):
        disk = home.file("disk")
        if where == "state":
            # The vault and its state on one disk, and the session's directory elsewhere.
            os.mkdir(disk, 0o700)
            for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
                old = home.environment[name]
                home.environment[name] = os.path.join(disk, os.path.basename(old))
                os.rename(old, home.environment[name])
        under = {"vault": home.environment["XDG_DATA_HOME"], "state": disk, "everything": home.home}[where]
        before, total = after_answer(home, under)
        findings.expect(0 < before < total, f"{before} of {total} calls come before the answer")
        if where == "everything":
            nowhere(server, home, grant, before, findings)
            return f"nothing can be written after the answer: said so, {total - before} calls"
        cuts = [(before + 1, error, True) for error in (errno.ENOSPC, errno.EIO, errno.EROFS)]
        late = list(range(before + 1, total + 1))
        cuts += [
            (late[at - 1], (errno.EIO, errno.ENOSPC, errno.EROFS)[at % 3], False)
            for at in sample(len(late), MOST, options.exhaustive)
        ]
        statuses = {}
        for at, error, on in cuts:
            asked = len(server.refreshes())
            outcome = home.interfere(
                "token", "g", "--refresh", "-q", under=under, calls="change", at=at, error=error, on=on
            )
            what = f"{errno.errorcode[error]}{' from there on' if on else ''} at {outcome.hit}"
            statuses[outcome.status] = statuses.get(outcome.status, 0) + 1
            if on:
                findings.expect(outcome.status == 8 and outcome.hit, f"{what}: {outcome}")
                findings.expect("kept sealed in" in text(outcome), f"{what}: {outcome}")
                place = "runtime_dir" if where == "state" else "state_home"
                findings.expect(place in text(outcome), f"{what}: kept elsewhere: {outcome}")
            else:
                findings.expect(outcome.status in (0, 8), f"{what}: {outcome}")
            findings.expect(outcome.status == 0 or outcome.out == b"", f"{what}: a token that is not kept was printed")
            is_rotated(server, grant, home, home.vault("token", "g", "-q"), what, findings)
            findings.expect(len(server.refreshes()) == asked + 1, f"{what}: not one request")
        findings.expect(server.state()["reuses"] == 0, "a spent token was sent")
        counts = ", ".join(f"{count}x exit {status}" for status, count in sorted(statuses.items()))
        return f"{len(cuts)} failures after the answer ({where}), {total - before} calls: {counts}; nothing was lost"


def nowhere(server, home, grant, before, findings):
    """No place takes the tokens: it is said at once, and the next one reports a lost answer."""
    kept = home.kept()
    outcome = home.interfere(
        "token", "g", "--refresh", "-q", calls="change", at=before + 1, error=errno.EIO, on=True
    )
    findings.expect(outcome.status == 8 and "could not be kept" in text(outcome), f"nowhere: {outcome}")
    findings.expect("vault login g" in text(outcome), f"nowhere: no hint: {outcome}")
    findings.expect(outcome.out == b"", "a token that is not kept was printed")
    after = home.kept()
    findings.expect(after.refresh == kept.refresh, f"nowhere: {after}, and before it was {kept}")
    again = home.vault("token", "g", "--refresh", "-q")
    findings.expect(is_lost(again), f"nowhere, and then: {again}")


def on_disk(options, body):
    """Calls `body(server, home, disk, grant)` with a home on a file system of its own."""
    with Server() as server, Home(options.programs) as home, Disk(os.path.join(home.root, "disk"), 1 << 20) as disk:
        home.move(disk.path)
        home.make_vault()
        grant = server.grant()
        home.take(grant, endpoint=server.token_endpoint)
        return body(server, home, disk, grant)


def full(options, findings):
    """The disk fills up while the server holds the answer."""
    seen = []

    def body(server, home, disk, grant):
        for leaving in (0, 4096, 8192, 16384):
            server.fault("hang")
            running = home.start("token", "g", "--refresh", "-q")
            server.wait_for_hanging()
            disk.fill(leaving)
            server.release()
            outcome = running.end()
            where = f"{leaving} bytes left"
            # With a few pages left it may fit.
            expected = (8,) if leaving == 0 else (0, 8)
            findings.expect(outcome.status in expected, f"{where}: {outcome}")
            if outcome.status == 8:
                findings.expect("kept sealed in" in text(outcome) and outcome.out == b"", f"{where}: {outcome}")
            seen.append(outcome.status)
            disk.free()
            is_rotated(server, grant, home, home.vault("token", "g", "-q"), where, findings)
        findings.expect(len(server.refreshes()) == 4 and server.state()["reuses"] == 0, f"{server.state()}")

    on_disk(options, body)
    return f"a disk that is full after the answer: exits {seen}, nothing was lost"


def room(options, findings):
    """A full disk before the request: nothing is sent, and with room again all is as it was."""

    def body(server, home, disk, grant):
        for leaving in (0, 4096, 32768):
            disk.fill(leaving)
            outcome = home.vault("token", "g", "--refresh", "-q")
            findings.expect(outcome.status == 8, f"{leaving} bytes left: {outcome}")
            findings.expect(not server.refreshes(), f"{leaving} bytes left: a request was sent")
            if leaving == 0:
                findings.expect("nothing was sent" in text(outcome), f"{leaving} bytes left: {outcome}")
            plain = home.vault("token", "g", "-q")
            findings.expect(plain.status == 0 and token_of(plain) == grant.access, f"the valid token: {plain}")
            disk.free()
        is_rotated(server, grant, home, home.vault("token", "g", "--refresh", "-q"), "with room again", findings)
        findings.expect(len(server.refreshes()) == 1, "not one request")

    on_disk(options, body)
    return "no room for a spill file: no request"


def main():
    options = arguments("what")
    findings = Findings()
    work = {"full": full, "room": room}.get(options.what)
    findings.finish(work(options, findings) if work else broken(options, findings, options.what))


main()
