#!/usr/bin/env python3
"""A login by browser, and everything after it, at three servers, two of which nobody here wrote."""
import hashlib

from place import *


def fingerprint(token):
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def life(name, server, client, *arguments, rotates, revokes):
    """From the login to the logout."""
    with Home() as home:
        running = home.start("login", name, "--issuer", server.issuer, "--client-id", client, *arguments)
        url = running.url()
        lines = running.shown.splitlines()
        expect(f"{name}: the URL is alone on its line", url in lines, running.shown)
        query = query_of(url)
        expect(f"{name}: S256 and 256 bits of state", query["code_challenge_method"] == "S256" and len(query["state"]) >= 43)
        page = get(drive(url))
        outcome = running.end()
        expect(f"{name}: logged in", outcome.status == 0 and outcome.out == "" and page.status_code == 200, outcome, page.text)
        expect(f"{name}: the browser got the URL as its one argument", home.browsers() == [url], home.browsers())
        first = home.must("token", name)
        expect(f"{name}: one token and a newline", len(first.lines) == 1 and first.out.endswith("\n"), first)
        again = home.must("token", name)
        expect(f"{name}: the same again", again.out == first.out)
        header = home.must("token", name, "--header")
        expect(f"{name}: a header", header.out == f"Authorization: Bearer {first.out}", header)
        before = home.must("show", name, "--reveal", "--json").json
        shown = home.must("show", name, "--json")
        expect(f"{name}: show", shown.json["issuer"] == server.issuer and shown.json["state"] == "active"
               and shown.json["has_refresh_token"] and first.lines[0] not in shown.out, shown)
        listed = home.must("list", "--json").json["entries"]
        expect(f"{name}: list", [entry["name"] for entry in listed] == [f"oauth:{name}"], listed)
        fresh = home.vault("token", name, "--refresh")
        expect(f"{name}: refreshed", fresh.status == 0 and fresh.out != first.out, fresh)
        after = home.must("show", name, "--reveal", "--json").json
        expect(f"{name}: {'a new' if rotates else 'the same'} refresh token",
               (after["refresh_token"] != before["refresh_token"]) == rotates)
        gone = home.vault("logout", name, "--yes", "--json")
        # With --yes a failed revocation is told of, and the entry goes all the same.
        expect(f"{name}: logged out, {revokes}", gone.status == (2 if revokes == "failed" else 0)
               and gone.json["revocation"] == revokes and gone.json["removed"] == f"oauth:{name}", gone)
        fails(f"{name}: no token any more", home.vault("token", name), 4)
        expect(f"{name}: nothing listed", home.names() == [])
        return after


def ours():
    server = authlib()
    last = life("ours", server, "public", "--scope", "openid", "--scope", "email", rotates=True, revokes="revoked")
    revoked = [entry["token"] for entry in server.log("revoke", outcome="ok")]
    expect("ours: the server revoked the last refresh token", fingerprint(last["refresh_token"]) in revoked, revoked)
    asked = server.log("token")
    expect("ours: it names itself and asks for plain JSON", all(
        entry["accept"] == "application/json" and entry["accept_encoding"] == "identity" for entry in asked), asked[0])


def canaille():
    port = free_port()
    server = Server("canaille", "--redirect", f"http://127.0.0.1:{port}/callback")
    life("canaille", server, "vault-test", "--port", str(port), "--scope", "openid", "--scope", "profile",
         # Its revocation endpoint takes no public client, whatever its metadata says.
         rotates=True, revokes="failed")


def mock():
    server = Server("oidc_provider_mock")
    with Home() as keeper:
        secret = keeper.file("secret", server.facts["client_secret"] + "\n")
        life("mock", server, "vault-test", "--client-secret-file", secret, "--scope", "openid",
             rotates=False, revokes="not supported")


if __name__ == "__main__":
    main(ours, canaille, mock)
