#!/usr/bin/env python3
"""Nothing readable leaves the machine: neither on the way to the cluster nor in it stands a name, a token or a passphrase.

All traffic is overheard by relays in front of the members, and then etcd is asked for everything it has, and its files
are read. Looked for are the secrets themselves, in base64 at every alignment, in hexadecimal, backwards and in UTF-16.
"""

import base64
import json
import os
import re
import time

from machines import Machine, guarded
from refreshing import FUTURE, Findings, Server, arguments, token_of

from leaks import Canary

REQUEST = re.compile(rb"(?:GET|POST|PUT|HEAD) (\S+) HTTP/1\.1\r\n")


class Known(Canary):
    """A secret that somebody else has chosen."""

    def __init__(self, what, text):
        super().__init__(what)
        self.text = text
        core = text[-30:].encode()
        self.forms = [core, core.hex().encode(), core.hex().upper().encode(), core[::-1], core.decode().encode("utf-16-le")]
        for shift in range(3):
            encoded = base64.b64encode(b"x" * shift + core)[4:-6]
            self.forms += [encoded, encoded.replace(b"+", b"-").replace(b"/", b"_")]


def requests_with(said, word):
    """The paths of the requests in which a word stands."""
    paths = []
    for match in re.finditer(re.escape(word), said):
        begun = [request for request in REQUEST.finditer(said, 0, match.start())]
        paths.append(begun[-1][1].decode() if begun else "before any request")
    return paths


def main():
    options = arguments()
    findings = Findings()
    begin = time.monotonic()
    canaries = {
        name: Canary(name) for name in ("name", "renamed", "account", "issuer", "client", "secret", "static", "passphrase")
    }
    with Server() as server, guarded(record=True) as cluster, Machine(
        options.programs, cluster, [front.port for front in cluster.fronts]
    ) as machine:
        grant = server.grant()
        url = ["--token-url", server.token_endpoint, "--client-id", "public"]
        known = [Known("the access token", grant.access), Known("the refresh token", grant.refresh)]
        key = ["--passphrase-file", machine.file("passphrase", str(canaries["passphrase"]).encode())]

        def run(*command, stdin=b"", status=(0,)):
            outcome = machine.vault(*command, *key, stdin=stdin)
            findings.expect(outcome.status in status, f"{command[0]}: {outcome}")
            return outcome

        run(
            "init", "--store", machine.address, "--key", "passphrase", "--kdf", "interactive", "--no-recovery-code",
            "--no-input",
        )
        name, renamed = f"n-{canaries['name']}", f"n-{canaries['renamed']}"
        run("set", f"static:{name}", stdin=str(canaries["static"]).encode())
        tokens = {
            "access_token": grant.access, "refresh_token": grant.refresh, "token_type": "Bearer", "expiry": FUTURE,
            "account_id": str(canaries["account"]), "email": f"{canaries['account']}@example.org",
        }
        path = machine.file("tokens.json", json.dumps(tokens).encode())
        run("import", path, "--yes", "--remove", "--name", name, *url)
        tokens |= {"access_token": f"at-{canaries['secret']}", "refresh_token": f"rt-{canaries['secret']}"}
        tokens |= {"client_id": str(canaries["client"]), "client_secret": str(canaries["secret"])}
        path = machine.file("other.json", json.dumps(tokens).encode())
        url = ["--token-url", f"https://{canaries['issuer']}.example/t"]
        run("import", path, "--yes", "--remove", "--name", "other", *url)
        for command in (["list"], ["status"], ["show", name], ["token", name], ["token", f"static:{name}"]):
            run(*command)
        refreshed = token_of(run("token", name, "--refresh", "-q"))
        known.append(Known("the refreshed token", refreshed))
        run("rename", name, renamed)
        run("token", renamed, "--refresh", "-q")
        kept = run("show", renamed, "--reveal", "--json").out
        findings.expect(refreshed.encode() not in kept, "it was not refreshed a second time")
        found = re.search(rb'"refresh_token": *"([^"]+)"', kept)
        if findings.expect(found, "no refresh token is revealed"):
            known.append(Known("the newest refresh token", found[1].decode()))
        run("set", "static:gone", stdin=str(canaries["static"]).encode())
        run("remove", "static:gone", "--yes")
        run("key", "rotate", "--yes", "--kdf", "interactive")
        run("doctor")
        run("list", status=(0,))

        # That the search finds anything is shown by somebody who writes in the clear.
        control = Canary("control")
        machine_ports = [member.client for member in cluster.members]
        for member, front in zip(cluster.members, cluster.fronts):
            member.client = front.port
        cluster.control("put", "control", str(control))
        for member, port in zip(cluster.members, machine_ports):
            member.client = port

        said = [pair for front in cluster.fronts for pair in front.said()]
        overheard = b"\0".join(part for pair in said for part in pair)
        everything = cluster.everything()
        dump = b"\0".join(part for pair in everything for part in pair)
        places = {"the traffic": overheard, "the dump": dump}
        size = 0
        for file in cluster.files():
            with open(file, "rb") as contents:
                places[os.path.relpath(file, cluster.root)] = contents.read().rstrip(b"\0")
        for where, data in places.items():
            size += len(data)
            for canary in [*canaries.values(), *known]:
                findings.expect(not canary.is_in(data), f"{canary.what} in {where}")
        findings.expect(control.is_in(overheard), "control: what is sent in the clear is not found in the traffic")
        findings.expect(control.is_in(dump), "control: what is kept in the clear is not found in the dump")
        raw = [name for name in places if control.is_in(places[name]) and "/" in name]
        findings.expect(len(raw) >= 3, f"control: what is kept in the clear is found in {raw} alone")
        findings.expect(len(everything) >= 3, f"etcd has {len(everything)} keys")
        foreign = [key for key, _ in everything if not key.startswith(cluster.prefix.encode()) and key != b"control"]
        findings.expect(not foreign, f"keys outside the prefix: {foreign[:3]}")

        paths = {path for sent, _ in said for path in requests_with(sent, cluster.password.encode())}
        findings.expect(paths == {"/v3/auth/authenticate"}, f"the password of etcd goes to {paths}")
        told = [answer for _, answer in said if cluster.password.encode() in answer]
        findings.expect(not told, "the cluster repeats the password")
        encoded = Known("the password of etcd", cluster.password)
        for where, data in (("the dump", dump), ("the traffic", overheard.replace(cluster.password.encode(), b""))):
            findings.expect(not encoded.is_in(data), f"the password of etcd, encoded, in {where}")
        # Where else the machine has put it: nowhere but in its own file.
        for folder, _, names in os.walk(machine.home):
            for file in names:
                path = os.path.join(folder, file)
                if os.path.isfile(path) and not path.endswith("etcd-password"):
                    with open(path, "rb") as contents:
                        findings.expect(cluster.password.encode() not in contents.read(), f"the password of etcd in {path}")
        requests = sum(len(REQUEST.findall(sent)) for sent, _ in said)
    findings.finish(
        f"{len(canaries) + len(known)} secrets, {requests} requests overheard, {len(everything)} keys, {len(places) - 2} files, "
        f"{size >> 10} KiB in {time.monotonic() - begin:.1f} s"
    )


main()
