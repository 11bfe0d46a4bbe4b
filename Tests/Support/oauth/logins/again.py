#!/usr/bin/env python3
"""Grants that began with a URL, later: logged in again, forgotten by their server, and on another device."""
from mcp_place import *


def by_name_alone():
    """The second login needs no URL, and neither does one whose settings have it."""
    with Home() as home:
        liar = Liar(honest())
        outcome = finished(start_login(home, "work", liar.base + "/mcp"))
        expect("logged in", outcome.status == 0, outcome)
        liar.asked.clear()
        outcome = finished(home.start("login", "work", "--no-browser"))
        expect("by name alone: discovered anew, the client kept", outcome.status == 0
               and liar.requests() == FOUND + ["POST /token"], outcome, liar.requests())
        liar.asked.clear()
        home.settings("s", f"url: {liar.base}/mcp\n")
        outcome = finished(home.start("login", "s", "--no-browser"))
        expect("by a settings file", outcome.status == 0 and liar.requests() == FOUND + ["POST /register", "POST /token"],
               outcome, liar.requests())
        expect("nothing of a resource is left out", form_of(liar.of("/token")[-1])["resource"] == liar.base + "/mcp")
        finished(start_login(home, "without", liar.base + "/mcp", "--no-resource"))
        expect("unless that is asked for", "resource" not in form_of(liar.of("/token")[-1]))
        home.vault("token", "without", "--refresh")
        last = form_of(liar.of("/token")[-1])
        expect("and on refresh", last["grant_type"] == "refresh_token" and "resource" not in last, last)
        finished(start_login(home, "named", liar.base + "/mcp", "--resource", liar.base + "/other"))
        home.vault("token", "named", "--refresh")
        expect("or another is named", [form_of(entry).get("resource") for entry in liar.of("/token")[-2:]] == [liar.base + "/other"] * 2)


def finished(running):
    """As a person who says yes."""
    try:
        redirected(running)
    except RuntimeError:
        pass  # It ended before there was anything to say yes to.
    return running.end()


def forgotten():
    """The server has lost the client, as one does that keeps clients in memory."""
    refused = {"status": 401, "body": {"error": "invalid_client"}}
    good = honest()["POST /token"][0]
    with Home() as home:
        liar = Liar(honest())
        finished(start_login(home, "work", liar.base + "/mcp"))
        liar.answers["POST /token"] = [refused]
        outcome = home.vault("token", "work", "--refresh")
        expect("a refresh says what to do", outcome.status == 78 and "vault login work" in outcome.hint, outcome)
        liar.answers["POST /token"] = [good]
        count = len(liar.requests())
        outcome = finished(home.start("login", "work", "--no-browser"))
        expect("the next login registers", outcome.status == 0 and liar.requests()[count:] == FOUND + ["POST /register", "POST /token"],
               outcome, liar.requests()[count:])

        # Found out by a login: it registers, once, and begins anew.
        for what, answers, status in (("is taken", [refused, good], 0), ("is refused too", [refused], 78)):
            liar.asked.clear()
            liar.answers |= {"POST /token": answers, "POST /register": [{"status": 201, "echo": {"client_id": f"one that {what}"}}]}
            running = home.start("login", "work", "--no-browser")
            redirected(running)
            first = query_of(running.url())
            again = running.wait_for(lambda shown: re.findall(r"^(https?://\S+)\r?\n", shown, re.M)[1:])
            second = query_of(again[0]) if again else {}
            expect(f"a new client that {what}: another page for it", second and second["client_id"] != first["client_id"]
                   and second["state"] != first["state"] and second["code_challenge"] != first["code_challenge"], running.shown)
            if second:
                get(second["redirect_uri"] + "?" + urllib.parse.urlencode({"state": second["state"], "code": "another"}))
            outcome = running.end()
            expect(f"a new client that {what}: exit {status}, registered once", outcome.status == status
                   and liar.requests().count("POST /register") == 1 and liar.requests().count("POST /token") == 2, outcome, liar.requests())
        expect("the grant that was there is kept", home.names() == ["oauth:work"])


def on_another_device():
    """A device code for a client that was registered for it."""
    device = {"device_code": "d", "user_code": "ABCD", "verification_uri": "{base}/verify", "expires_in": 60, "interval": 1}
    with Home() as home:
        liar = Liar(honest(device_authorization_endpoint="{base}/device") | {"POST /device": [{"body": device}]})
        outcome = home.vault("login", "work", "--url", liar.base + "/mcp", "--device")
        expect("logged in", outcome.status == 0 and liar.requests() == FOUND + ["POST /register", "POST /device", "POST /token"],
               outcome, liar.requests())
        registered = json_of(liar.of("/register")[0])
        expect("registered for it", "urn:ietf:params:oauth:grant-type:device_code" in registered["grant_types"]
               and "refresh_token" in registered["grant_types"], registered)
        expect("one resource", {form_of(entry)["resource"] for path in ("/device", "/token") for entry in liar.of(path)} == {
            liar.base + "/mcp"})
        outcome = home.vault("login", "none", "--url", Liar(honest()).base + "/mcp", "--device")
        fails("a server without it", outcome, 78)


def answers():
    """RFC 9207, at a server that was found: what comes back must be of it."""
    with Home() as home:
        for advertised, iss, taken in ((True, None, False), (True, "{base}", True), (False, "{base}", True), (None, None, True),
                                       (False, "https://evil.example", False), (True, "{base}/", False)):
            liar = Liar(honest(authorization_response_iss_parameter_supported=advertised))
            running = start_login(home, "x", liar.base + "/mcp")
            page = redirected(running, **({"iss": liar.filled(iss)} if iss else {}))
            what = f"iss {iss}, {'advertised' if advertised else 'not advertised'}"
            if not taken:
                expect(f"{what}: answered and ignored", running.process.poll() is None and page.status_code >= 400, page.status_code)
                redirected(running, iss=liar.base)
            outcome = running.end()
            expect(f"{what}: logged in by what is right", outcome.status == 0 and liar.requests().count("POST /token") == 1, outcome)


if __name__ == "__main__":
    main(by_name_alone, forgotten, on_another_device, answers)
