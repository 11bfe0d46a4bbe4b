#!/usr/bin/env python3
"""What reaches the loopback port of a waiting `vault login` beside the browser, and how the port goes away again."""
import concurrent.futures
import signal

from place import *


def raw(port, text, address="127.0.0.1"):
    """Sends bytes and returns the status of what came back; 0 where the connection just ended."""
    with socket.create_connection((address, port), PATIENCE) as connection:
        try:
            connection.sendall(text if isinstance(text, bytes) else text.encode())
        except OSError:
            pass  # refused in the middle of it
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return (int(answer.split()[1]) if answer else 0), answer.decode(errors="replace")


def request(port, target, host=None, method="GET", extra=""):
    host = host or f"127.0.0.1:{port}"
    return raw(port, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n")


def strays():
    """Whatever else comes is answered and ignored, and the login then succeeds."""
    server = authlib()
    with Home() as home:
        running = home.login("x", server)
        url = running.waiting_url()
        port, query, callback = port_of(url), query_of(url), drive(url)
        target = callback[callback.index("/callback"):]
        state = query["state"]
        issuer = urllib.parse.quote(server.issuer, safe="")
        for what, status, answer in (
            ("a favicon first", 404, request(port, "/favicon.ico")),
            ("the root", 404, request(port, "/")),
            ("nothing", 400, request(port, "/callback")),
            ("no state", 400, request(port, "/callback?code=forged")),
            ("a wrong state", 400, request(port, "/callback?code=forged&state=" + "A" * 43)),
            ("an empty state", 400, request(port, "/callback?code=forged&state=")),
            ("an error without state", 400, request(port, "/callback?error=access_denied&error_description=%3Cscript%3E")),
            ("an error of a wrong state", 400, request(port, "/callback?error=access_denied&state=x")),
            ("two codes", 400, request(port, f"{target}&code=other")),
            ("two states", 400, request(port, f"{target}&state=other")),
            ("the true state, and another issuer", 400,
             request(port, f"/callback?code=forged&state={state}&iss=https%3A%2F%2Fevil.example")),
            ("the true state, and no issuer", 400, request(port, f"/callback?code=forged&state={state}")),
            ("code and error", 400, request(port, f"/callback?code=a&error=b&state={state}&iss={issuer}")),
            ("a script as the description", 400,
             request(port, f"/callback?error=a&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=x")),
            ("another host", 421, request(port, target, host="evil.example")),
            ("another host with our port", 421, request(port, target, host=f"evil.example:{port}")),
            ("our address without a port", 421, request(port, target, host="127.0.0.1")),
            ("no host", 421, raw(port, f"GET {target} HTTP/1.0\r\n\r\n")),
            ("two hosts", 421, request(port, target, extra="Host: evil.example\r\n")),
            ("POST", 405, request(port, target, method="POST", extra="Content-Length: 0\r\n")),
            ("HEAD", 405, request(port, target, method="HEAD")),
            ("GET with a body", 400,
             raw(port, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 4\r\n\r\nabcd")),
            ("another spelling of the path", 404, request(port, target.replace("/callback", "/%63allback"))),
            ("a path behind it", 404, request(port, target.replace("/callback", "/callback/x"))),
            ("what is no HTTP", 400, raw(port, b"\x16\x03\x01\x00\x05hello\r\n\r\n")),
        ):
            expect(f"{what}: {status}", answer[0] == status, answer)
            expect(f"{what}: nothing of it in the answer", not any(
                word in answer[1] for word in ("<script", "forged", "evil.example", "access_denied", state)), answer)
        status, answer = request(port, f"/callback?state={state}&code=" + "c" * (1 << 20))
        expect("a query of 1 MiB is cut short", status in (0, 400, 414, 431), status)
        # Browsers of other people: many connections that say nothing.
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        expect("still waiting", running.process.poll() is None)
        page = get(callback)
        outcome = running.end()
        for connection in idle:
            connection.close()
        expect("then the true one succeeds", page.status_code == 200 and outcome.status == 0, page.text, outcome)
        expect("nothing forged on the terminal", not any(
            word in outcome.err for word in ("script", "forged", "evil", "\x1b")) and outcome.out == "", outcome)
        expect("one remark about the denial and each issuer", outcome.err.count("still waiting") == 3, outcome)
        exchanges = server.log("token", grant_type="authorization_code")
        expect("one code was exchanged", len(exchanges) == 1, exchanges)
        expect("the port is closed", is_closed(port))
        fields = page.headers
        expect("the page may load and keep nothing", "default-src 'none'" in fields["Content-Security-Policy"]
               and fields["Cache-Control"] == "no-store" and fields["Referrer-Policy"] == "no-referrer", fields)


def twice():
    """The true callback many times at once: one page of success at least, one exchange."""
    server = authlib()
    with Home() as home:
        server.control(faults=[{"kind": "hang", "grant_type": "authorization_code"}])
        running = home.login("x", server)
        callback = drive(running.waiting_url())
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(get, callback) for _ in range(8)]
            # Seven are turned away while the first is held, and only then the server answers.
            turned_away = []
            for answer in concurrent.futures.as_completed(answers, PATIENCE):
                turned_away.append(answer.result().status_code)
                if len(turned_away) == 7:
                    break
            while server.post("/_release")["released"] == 0:
                pass
            statuses = sorted(answer.result().status_code for answer in answers)
        expect("one success page, the others are turned away", statuses == [200] + [400] * 7 and turned_away == [400] * 7,
               statuses)
        outcome = running.end()
        expect("one exchange", outcome.status == 0 and len(server.log("token")) == 1, outcome)


def page_after_tokens():
    """The browser hears of success only once the tokens are stored, and of failure where the exchange fails."""
    server = authlib()
    with Home() as home:
        server.control(faults=[{"kind": "error", "error": "invalid_grant", "grant_type": "authorization_code"}])
        running = home.login("x", server)
        url = running.waiting_url()
        page = get(drive(url))
        outcome = running.end()
        expect("a failed exchange shows the page of failure", page.status_code == 400 and "did not succeed" in page.text,
               page.text)
        fails("a failed exchange", outcome, 5)
        expect("nothing stored, nothing open", home.names() == [] and is_closed(port_of(url)))
    with Home() as home:
        # A redirect to the same machine that no browser follows: the code must not go elsewhere.
        server.control(faults=[{"kind": "redirect", "location": "http://127.0.0.2:1/", "grant_type": "authorization_code"}])
        running = home.login("x", server)
        get(drive(running.url()))
        outcome = running.end()
        expect("a token endpoint that redirects gets no second byte", outcome.status in (9, 10) and home.names() == [], outcome)


def endings():
    """Every way out but success: the port is closed, nothing is stored, an old grant stays usable."""
    server = authlib()
    with Home() as home:
        home.logged_in("x", server)
        token, whole = home.must("token", "x").out, home.must("show", "x", "--reveal", "--json").out

        def ended(what, outcome, url, status, *words):
            fails(what, outcome, status, *words)
            expect(f"{what}: the port is closed", is_closed(port_of(url)))
            expect(f"{what}: the old grant is as it was", home.must("show", "x", "--reveal", "--json").out == whole)

        running = home.login("x", server, "--timeout", "1s")
        ended("--timeout", running.end(), running.url(), 5, "within 1 s")
        for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            running = home.login("x", server)
            url = running.waiting_url()
            running.signal(number)
            ended(f"signal {number}", running.end(), url, status, "nothing was stored")
        running = home.login("x", server, terminal=True)
        url = running.waiting_url()
        running.type("\x03")
        ended("Ctrl-C on a terminal", running.end(), url, 130, "nothing was stored")
        running = home.login("x", server)
        url = running.waiting_url()
        server.control(consent="deny")
        page = get(drive(url))
        server.control(consent="auto")
        expect("a denied login shows the page of failure", page.status_code == 400 and "did not succeed" in page.text)
        ended("a denial", running.end(), url, 5, "denied")
        # Ctrl-C in the middle of the exchange, the code on its way.
        server.control(faults=[{"kind": "hang", "grant_type": "authorization_code"}])
        running = home.login("x", server)
        url = running.waiting_url()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            page = pool.submit(lambda: raw(port_of(url), f"GET {drive(url).split(str(port_of(url)))[1]} HTTP/1.1\r\n"
                                                          f"Host: 127.0.0.1:{port_of(url)}\r\n\r\n"))
            while server.state()["hanging"] == 0:
                pass
            running.signal(signal.SIGINT)
            ended("Ctrl-C during the exchange", running.end(), url, 130)
            server.post("/_release")
            expect("the page then is none of success", page.result()[0] != 200, page.result())
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            started = len(home.browsers())
            outcome = home.login("x", server, "--port", str(port)).end()
            fails("a taken port", outcome, 8, f"port {port}", "taken")
            expect("and no browser was started for it", len(home.browsers()) == started, home.browsers())
        expect("the old token is good still", home.must("token", "x").out == token
               and requests.get(server.facts["resource"], headers={"Authorization": "Bearer " + token.strip()}).ok)


def replacing():
    """A login that succeeds takes the old grant's place, and ends it at the server only if that is asked for."""
    server = authlib()
    with Home() as home:
        def bearer(token):
            return requests.get(server.facts["resource"], headers={"Authorization": "Bearer " + token.strip()}).status_code

        home.logged_in("x", server)
        old = home.must("token", "x").out
        done = home.logged_in("x", server, "--revoke-old", "--json")
        expect("the old grant is revoked", done.json["replaced"] is True and done.json["old_grant"] == "revoked", done)
        new = home.must("token", "x").out
        expect("the new token is good, the old one is not", new != old and bearer(new) == 200 and bearer(old) == 401)
        # As Keycloak, Auth0 and Google do: one revocation ends everything of that user and client.
        server.control(revocation_ends_all=True)
        for arguments in ((), ("--keep-old",)):
            kept = new
            done = home.logged_in("x", server, *arguments, "--json")
            new = home.must("token", "x").out
            expect(f"left as it is {arguments}", done.json["replaced"] is True and done.json["old_grant"] is None
                   and bearer(kept) == 200 and bearer(new) == 200, done)
            fresh = home.vault("token", "x", "--refresh")
            expect("and the new one is refreshed", fresh.status == 0 and bearer(fresh.out) == 200, fresh)
        home.logged_in("x", server, "--revoke-old")
        fails("where one revocation ends all, --revoke-old ends the new one too", home.vault("token", "x", "--refresh"), 5)
        server.control(revocation_ends_all=False)
        failing = Scripted({"/revoke": lambda _: (503, "")})
        server.control(metadata={"revocation_endpoint": failing.base + "/revoke"})
        home.logged_in("x", server)
        done = home.logged_in("x", server, "--revoke-old", "--json")
        expect("a revocation that fails is told of", done.json["old_grant"] == "failed" and "could not be revoked" in done.err, done)
        server.control(metadata={})
        fails("a contradiction", home.login("x", server, "--revoke-old", "--keep-old").end(), 64, "contradict")
        # By name alone: everything comes from the entry.
        running = home.login("y", server, "--scope", "read", "--resource", server.facts["resource"])
        first = query_of(running.url())
        get(drive(running.url()))
        running.end()
        running = home.start("login", "y")
        again = query_of(running.url())
        get(drive(running.url()))
        outcome = running.end()
        same = ("client_id", "scope", "resource", "code_challenge_method")
        expect("a login by name alone", outcome.status == 0 and home.names() == ["oauth:x", "oauth:y"]
               and [again[name] for name in same] == [first[name] for name in same], outcome, first, again)
        expect("is at the same server", server.log("token")[-1]["outcome"] == "granted"
               and home.must("show", "y", "--json").json["issuer"] == server.issuer)
        fixed = free_port()
        running = home.login("x", server, "--port", str(fixed))
        expect("--port is the port of the redirect", redirect_of(running.url()) == f"http://127.0.0.1:{fixed}/callback")
        get(drive(running.url()))
        running.end()
        running = home.login("x", server, "--port", str(fixed))
        expect("and is free again at once", port_of(running.url()) == fixed)
        running.signal(signal.SIGTERM)
        running.end()


def logging_out():
    """Where the server does not revoke, the entry goes only if somebody says so."""
    server = authlib()
    failing = Scripted({"/revoke": lambda _: (503, "")})
    server.control(metadata={"revocation_endpoint": failing.base + "/revoke"})
    with Home() as home:
        home.logged_in("x", server)
        for answers, status in ((("y", "n"), 9), (("n",), 3)):
            running = home.start("logout", "x", terminal=True)
            asked = 0
            for answer in answers:
                asked += 1
                running.wait_for(lambda shown: shown.count("[y/N]") >= asked)
                running.type(answer + "\n")
            outcome = running.end()
            expect(f"{answers}: exit {status}, and the entry is there", outcome.status == status
                   and home.names() == ["oauth:x"] and home.vault("token", "x").status == 0, outcome)
        expect("asked once at the server", failing.paths() == ["/revoke"], failing.paths())
        running = home.start("logout", "x", terminal=True)
        for asked in (1, 2):
            running.wait_for(lambda shown: shown.count("[y/N]") >= asked)
            running.type("y\n")
        outcome = running.end()
        expect("a yes deletes it, and says what may live on", outcome.status == 2 and home.names() == []
               and "may live on" in outcome.err, outcome)


if __name__ == "__main__":
    main(strays, twice, page_after_tokens, endings, replacing, logging_out)
