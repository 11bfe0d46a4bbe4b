#!/usr/bin/env python3
"""`vault proxy` between clients that know nothing of OAuth and a resource that wants tokens of our server."""
import copy
import datetime
import http.client
import ipaddress
import queue
import random
import select
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from place import *


class Resource:
    """A resource of the test's own, on a thread for each connection: keeps what reached it, answers as it is told.

    `routes` maps a path to a function of the request, which writes the answer by hand.
    """

    def __init__(self, tls=None, **routes):
        self.asked = []
        self.connections = self.received = 0
        self.closed = queue.Queue()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                owner.connections += 1

            def finish(self):
                owner.closed.put(True)
                super().finish()

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def answer(self):
                self.body = self.read_body()
                path, _, self.query = self.path.partition("?")
                owner.asked.append(copy.copy(self))  # one handler serves many requests
                routes.get(path.strip("/").replace("/", "_"), Handler.plain)(self)

            def read_body(self):
                body = b""
                if self.headers.get("Transfer-Encoding") != "chunked":
                    length = int(self.headers.get("Content-Length") or 0)
                    while len(body) < length:
                        piece = self.rfile.read1(length - len(body))
                        if not piece:
                            raise ConnectionResetError
                        body += piece
                        owner.received += len(piece)
                    return body
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def plain(self, status=200, body=b"yes", **fields):
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            @property
            def token(self):
                return self.headers.get("Authorization", "")

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket.listen(512)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.base = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Proxy:
    """A `vault proxy` that runs."""

    def __init__(self, home, name, to, *arguments, **options):
        self.running = home.start("proxy", name, "--to", to, *arguments, **options)
        is_socket = any(argument.startswith("unix:") for argument in arguments)
        count = 1 if is_socket else 2
        with self.running.changed:
            self.running.changed.wait_for(lambda: self.running.out.count("\n") >= count or self.running.open == 0, PATIENCE)
        lines = self.running.out.splitlines()
        if len(lines) != count:
            raise RuntimeError(f"vault proxy says {lines!r}: {self.running.shown}")
        self.address = lines[0]
        self.bearer = None if is_socket else lines[1]
        if not is_socket:
            parts = urllib.parse.urlsplit(self.address)
            self.port, self.path = parts.port, parts.path
            self.secret = self.bearer.removeprefix("Bearer ")

    def ask(self, method="GET", below="", path=None, headers={}, body=None, bearer=True, timeout=PATIENCE, chunked=False):
        """A request of a client; returns (status, fields, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        fields = ({"Authorization": self.bearer} if bearer else {}) | headers
        connection.request(method, path or self.path + below, body=body, headers=fields, encode_chunked=chunked)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def raw(self, text, timeout=PATIENCE):
        """Bytes as they are, and all that comes back until the other side closes or is done."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            connection.sendall(text if isinstance(text, bytes) else text.encode())
            data = b""
            try:
                while piece := connection.recv(65536):
                    data += piece
            except ConnectionResetError:
                pass
            return data.decode("latin-1")

    def end(self, number=signal.SIGINT):
        self.running.signal(number)
        return self.running.end()


def status_of(text):
    found = re.match(r"HTTP/1\.1 (\d+)", text)
    return int(found.group(1)) if found else None


def token_of(home, name="x"):
    return home.must("token", name).lines[0]


def passing():
    """What a client sends reaches the resource, and what it says comes back; the token goes one way alone."""
    server = authlib()

    def login_page(request):
        request.plain(302, b"", Location=resource.base + "/mcp/next?a=b")

    def elsewhere(request):
        request.plain(307, b"", Location="https://elsewhere.example/mcp")

    def echo(request):
        request.plain(200, request.body, Set_Cookie="session=1", X_Echo=request.token, DPoP_Nonce="n",
                      Keep_Alive="timeout=5", X_Hop="1", Connection="X-Hop", X_Kept="kept")

    def chunked(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

    def bare(status):
        def answer(request):
            request.send_response(status)
            request.send_header("ETag", "x")
            request.end_headers()
        return answer

    resource = Resource(mcp_chunked=chunked, mcp_none=bare(204), mcp_unchanged=bare(304), mcp_redirect=login_page, mcp_elsewhere=elsewhere, mcp_echo=echo)
    with Home() as home:
        home.logged_in("x", server)
        token = token_of(home)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        expect("the address and the secret, each alone on its line", re.fullmatch(
            r"http://127\.0\.0\.1:\d+/mcp\nBearer [\w-]{43}\n", proxy.running.out), proxy.running.out)
        expect("the secret is no token", token not in proxy.running.out)

        status, fields, body = proxy.ask("POST", "?q=1&q=2", headers={
            "Accept": "application/json, text/event-stream", "Cookie": "c=1", "DPoP": "mine", "Referer": "http://r",
            "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1", "Proxy-Authorization": "Basic x", "TE": "trailers",
            "Connection": "X-Mine, TE", "X-Mine": "1", "Mcp-Session-Id": "s", "Content-Type": "application/json",
            "Origin": f"http://127.0.0.1:{proxy.port}"}, body=b'{"id":1}')
        seen = resource.asked[-1]
        expect("a request arrives as it was sent", status == 200 and body == b"yes" and seen.command == "POST"
               and seen.path == "/mcp?q=1&q=2" and seen.body == b'{"id":1}', seen.path, seen.body)
        names = {name.lower() for name in seen.headers}
        expect("with the token", seen.headers.get_all("Authorization") == ["Bearer " + token], seen.headers)
        expect("and with its own fields", seen.headers["Accept"] == "application/json, text/event-stream"
               and seen.headers["Mcp-Session-Id"] == "s" and seen.headers["Host"] == resource.base[7:], seen.headers)
        dropped = {"cookie", "dpop", "referer", "x-forwarded-for", "forwarded", "proxy-authorization", "te", "x-mine",
                   "origin", "connection"} & names
        expect("without what is the client's alone", not dropped and proxy.secret not in str(seen.headers), dropped)

        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            status, _, _ = proxy.ask(method, "/below")
            expect(f"{method} below", status == 200 and resource.asked[-1].command == method
                   and resource.asked[-1].path == "/mcp/below")
        status, fields, body = proxy.ask("HEAD")
        expect("HEAD", status == 200 and fields["Content-Length"] == "3" and body == b"", fields)

        status, fields, body = proxy.ask("POST", "/echo", body=b"hello")
        expect("fields of the answer", body == b"hello" and fields["X-Kept"] == "kept"
               and not {"set-cookie", "x-echo", "dpop-nonce", "x-hop", "keep-alive"} & {n.lower() for n in fields}
               and token not in str(fields), fields)

        before = len(resource.asked)
        status, fields, _ = proxy.ask("GET", "/redirect")
        expect("a redirect on the resource comes through as one on the proxy", status == 302
               and fields["Location"] == f"http://127.0.0.1:{proxy.port}/mcp/next?a=b", fields)
        status, fields, _ = proxy.ask("GET", "/elsewhere")
        expect("any other as it is", status == 307 and fields["Location"] == "https://elsewhere.example/mcp", fields)
        expect("and none is followed", len(resource.asked) == before + 2)

        # One connection, many requests.
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
        for number in range(5):
            connection.request("POST", "/mcp/echo", body=b"%d" % number, headers={"Authorization": proxy.bearer})
            answer = connection.getresponse()
            expect(f"request {number} on one connection", answer.read() == b"%d" % number)
        connection.close()
        big = os.urandom(5 << 20)
        status, _, body = proxy.ask("POST", "/echo", body=big)
        expect("a large body", status == 200 and body == big)
        status, _, body = proxy.ask("POST", "/echo", body=iter([big[:100], big[100:3 << 20]]), chunked=True,
                                    headers={"Transfer-Encoding": "chunked"})
        expect("a large body of unknown length", status == 200 and body == big[:3 << 20])
        answers = proxy.raw(f"GET /mcp/a HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n"
                            f"GET /mcp/b HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
                            "Connection: close\r\n\r\n")
        expect("two at once on one connection", answers.count("HTTP/1.1 200") == 2
               and [r.path for r in resource.asked[-2:]] == ["/mcp/a", "/mcp/b"], answers)
        answers = proxy.raw(f"POST /mcp/echo HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
                            "Expect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
        expect("100-continue is answered here", answers.startswith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
               and "expect" not in {n.lower() for n in resource.asked[-1].headers}, answers)
        answers = proxy.raw(f"GET /mcp HTTP/1.0\r\nHost: localhost:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n")
        expect("HTTP/1.0", answers.startswith("HTTP/1.1 200") and answers.endswith("yes"), answers)
        answers = proxy.raw(f"GET /mcp/chunked HTTP/1.0\r\nHost: localhost:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
                            "Connection: keep-alive\r\n\r\n")
        expect("HTTP/1.0 and an answer without a length", answers.endswith("\r\n\r\nhello")
               and "transfer-encoding" not in answers.lower() and answers.lower().count("connection: close") == 1, answers)
        status, fields, body = proxy.ask(below="/none")
        expect("204", status == 204 and body == b"" and "Transfer-Encoding" not in fields, fields)
        status, fields, body = proxy.ask(below="/unchanged")
        expect("304", status == 304 and body == b"" and "Transfer-Encoding" not in fields and fields["ETag"] == "x", fields)
        outcome = proxy.end()
        expect("Ctrl-C: 130", outcome.status == 130 and outcome.err == "", outcome)
        expect("the port is closed", is_closed(proxy.port))
        proxy = Proxy(home, "x", resource.base + "/mcp", "--listen", "[::1]:0")
        expect("on [::1]", proxy.address.startswith("http://[::1]:") and requests.get(
            proxy.address, headers={"Authorization": proxy.bearer}, timeout=PATIENCE).status_code == 200)
        outcome = proxy.end(signal.SIGTERM)
        expect("SIGTERM: 143", outcome.status == 143, outcome)


def strangers():
    """Without the secret, from a page, for another path, or in a form that has two readings: nothing goes on."""
    server = authlib()
    resource = Resource()
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        own = f"127.0.0.1:{proxy.port}"
        status, fields, _ = proxy.ask(bearer=False)
        expect("no secret: 401", status == 401 and fields["WWW-Authenticate"].startswith("Bearer"), fields)
        for value in ("Bearer " + proxy.secret[:-1] + ("A" if proxy.secret[-1] != "A" else "B"), "Bearer", "Bearer ",
                      "Basic " + proxy.secret, proxy.secret, f"Bearer {proxy.secret} x", "Bearer " + token_of(home)):
            expect(f"a wrong one: {value[:6]}", proxy.ask(headers={"Authorization": value})[0] == 401)
        for host in ("evil.example", f"evil.example:{proxy.port}", "127.0.0.1", "localhost", f"127.0.0.1:{proxy.port + 1}",
                     f"127.0.0.1.evil.example:{proxy.port}", f"[::1]:{proxy.port}", ""):
            status = proxy.ask(headers={"Host": host})[0]
            expect(f"Host {host or 'empty'}", 400 <= status < 500, status)
        for origin in ("http://evil.example", "null", f"https://{own}", f"http://127.0.0.1:{proxy.port + 1}", "http://" + own + "/"):
            status = proxy.ask(headers={"Origin": origin})[0]
            expect(f"Origin {origin}", status == 403, status)
        for path in ("/", "/mcp2", "/other", "/mcp/../other", "/mcp/%2e%2e/other", "/mcp/%252e%252e/other",
                     "/mcp/..%2fother", "/mcp/..%5cother", "/mcp\\..\\other", resource.base + "/mcp", "*"):
            status = proxy.ask(path=path)[0]
            expect(f"path {path}", 400 <= status < 500, status)
        for method in ("TRACE", "CONNECT"):
            status = proxy.ask(method)[0]
            expect(method, 400 <= status < 500, status)
        expect("Upgrade", 400 <= proxy.ask(headers={"Upgrade": "websocket", "Connection": "Upgrade"})[0] < 500)
        expect("another expectation", proxy.ask(headers={"Expect": "200-maybe"})[0] == 417)

        head = f"POST /mcp HTTP/1.1\r\nHost: {own}\r\nAuthorization: {proxy.bearer}\r\n"
        chunked = "4\r\nbody\r\n0\r\n\r\n"
        for what, text in {
            "two lengths": head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            "two lengths, the other way round": head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunked,
            "two Content-Lengths": head + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!",
            "a list of Content-Lengths": head + "Content-Length: 4, 4\r\n\r\nbody",
            "a signed Content-Length": head + "Content-Length: +4\r\n\r\nbody",
            "another coding": head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked,
            "chunked twice": head + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunked,
            "a coding that only looks like it": head + "Transfer-Encoding: xchunked\r\n\r\n" + chunked,
            "two Hosts": head + f"Host: {own}\r\n\r\n",
            "two secrets": head + f"Authorization: {proxy.bearer}\r\n\r\n",
            "no Host": f"GET /mcp HTTP/1.1\r\nAuthorization: {proxy.bearer}\r\n\r\n",
            "no Host, HTTP/1.0": f"GET /mcp HTTP/1.0\r\nAuthorization: {proxy.bearer}\r\n\r\n",
            "a space before a colon": head + "Content-Length : 4\r\n\r\nbody",
            "a bare CR in a field": head + "X: a\rY: b\r\n\r\n",
            "a NUL in a field": head + "X: a\0b\r\n\r\n",
            "a space in the target": head.replace("/mcp", "/mcp /x") + "\r\n",
            "another version": head.replace("HTTP/1.1", "HTTP/2.0") + "\r\n",
            "no HTTP": "\x16\x03\x01\x02\x00\x01\x00" + "\r\n\r\n",
            "a long head": head + "X: " + "a" * 20000 + "\r\n\r\n",
            "a long target": head.replace("/mcp", "/mcp?" + "a" * 20000) + "\r\n",
        }.items():
            answer = proxy.raw(text)
            expect(what, 400 <= (status_of(answer) or 0) < 600 and "HTTP/1.1 200" not in answer, answer)
        expect("nothing of it all reached the resource", resource.asked == [] and resource.connections == 0,
               [(seen.command, seen.path) for seen in resource.asked])
        # RFC 9112 §5.2: refused, or read as one line; either way it is one field to the resource.
        answer = proxy.raw(head + "X-Folded: a\r\n b: c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        folded = [seen.headers.get("X-Folded") for seen in resource.asked]
        expect("a folded line", status_of(answer) == 400 and folded == [] or folded == ["a b: c"] , answer, folded)
        # What comes behind a body is another request, which needs the secret too.
        answer = proxy.raw(head + f"Content-Length: 4\r\n\r\nbodyGET /mcp/smuggled HTTP/1.1\r\nHost: {own}\r\n\r\n")
        expect("a second request without the secret", answer.count("HTTP/1.1 ") == 2 and "HTTP/1.1 401" in answer
               and not any("smuggled" in seen.path for seen in resource.asked), answer)
        proxy.end()


def starting():
    """What cannot work is said at once, before a line is printed."""
    server = authlib()
    resource = Resource()
    with Home() as home:
        home.logged_in("x", server, "--resource", resource.base + "/mcp")
        to = resource.base + "/mcp"
        fails("no such entry", home.vault("proxy", "nobody", "--to", to), 4)
        fails("another host", home.vault("proxy", "x", "--to", "https://elsewhere.example/mcp"), 10)
        fails("another port", home.vault("proxy", "x", "--to", "http://127.0.0.1:1/mcp"), 10)
        fails("plain http", home.vault("proxy", "x", "--to", "http://elsewhere.example/mcp"), 10)
        fails("a fragment", home.vault("proxy", "x", "--to", to + "#a"), 10)
        for address in ("0.0.0.0:1", "[::]:0", "192.0.2.1:0", "elsewhere.example:0", "127.0.0.2:0", ":0", "*:0"):
            fails(f"--listen {address}", home.vault("proxy", "x", "--to", to, "--listen", address), 10)
        for address in ("127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "127.0.0.1:-1", "unix:", ""):
            fails(f"--listen {address or 'nothing'}", home.vault("proxy", "x", "--to", to, "--listen", address), 64)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            fails("a port that is taken", home.vault(
                "proxy", "x", "--to", to, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"), 8)
        os.rename(home.root + "/key", home.root + "/away")
        locked = home.vault("proxy", "x", "--to", to)
        expect("a locked vault: exit 3", locked.status == 3 and locked.out == "", locked)
        os.rename(home.root + "/away", home.root + "/key")
        server.post("/_expire")
        server.post("/_revoke")
        outcome = home.vault("token", "x", "--refresh")
        expect("the grant is dead", outcome.status == 5, outcome)
        fails("a dead grant", home.vault("proxy", "x", "--to", to), 5, "vault login x")
        expect("nothing was sent", resource.asked == [])


def streams():
    """Server-sent events come one by one; whoever goes away is missed at once; what was cut is seen to be."""
    server = authlib()
    turns = queue.Queue()

    def events(request):
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            # Waits for its turn, or for the other side to go.
            ready, _, _ = select.select([request.connection], [], [], 0.01)
            if ready and request.connection.recv(1, socket.MSG_PEEK) == b"":
                request.close_connection = True
                return
            try:
                text = turns.get_nowait()
            except queue.Empty:
                continue
            if text is None:
                request.connection.close()
                request.close_connection = True
                return
            request.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            request.wfile.flush()

    def short(request):
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"half")
        request.close_connection = True

    def silent(request):
        request.connection.recv(1)
        request.close_connection = True

    resource = Resource(mcp=events, mcp_short=short, mcp_silent=silent)
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")

        def listen():
            connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
            connection.request("GET", "/mcp", headers={"Authorization": proxy.bearer, "Accept": "text/event-stream"})
            return connection, connection.getresponse()

        connection, answer = listen()
        expect("the head comes before any event", answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream")
        for number in range(3):
            turns.put(b"data: %d\n\n" % number)
            got = answer.fp.readline(), answer.fp.readline(), answer.fp.readline(), answer.fp.readline()
            expect(f"event {number} comes by itself", b"data: %d\n" % number in got, got)
        while not resource.closed.empty():
            resource.closed.get()
        connection.sock.close() if connection.sock else None
        answer.close()
        connection.close()
        try:
            resource.closed.get(timeout=10)
            gone = True
        except queue.Empty:
            gone = False
        expect("a client that goes away during silence ends the request at the resource", gone)

        connection, answer = listen()
        turns.put(b"data: last\n\n")
        answer.fp.readline(), answer.fp.readline()
        turns.put(None)
        try:
            rest = answer.read()
            expect("a stream that dies is no whole one", False, rest)
        except (http.client.IncompleteRead, ConnectionResetError):
            expect("a stream that dies is no whole one", True)
        try:
            proxy.ask(below="/short")
            expect("nor is an answer that is short", False)
        except (http.client.IncompleteRead, ConnectionResetError):
            expect("nor is an answer that is short", True)
        expect("and the person who started it is told", proxy.running.shows("cut its answer off"), proxy.running.shown)
        while not resource.closed.empty():
            resource.closed.get()
        with socket.create_connection(("127.0.0.1", proxy.port)) as waiting:
            waiting.sendall(f"GET /mcp/silent HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n".encode())
            while not any(seen.path == "/mcp/silent" for seen in resource.asked):
                time.sleep(0.01)
        try:
            resource.closed.get(timeout=10)
            gone = True
        except queue.Empty:
            gone = False
        expect("before an answer too", gone)
        while not resource.closed.empty():
            resource.closed.get()
        with socket.create_connection(("127.0.0.1", proxy.port)) as uploading:
            uploading.sendall(f"POST /mcp/upload HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
                              f"Content-Length: {8 << 20}\r\n\r\n".encode() + b"x" * (2 << 20))
            while resource.received < 1 << 20:
                time.sleep(0.01)
        try:
            resource.closed.get(timeout=10)
            gone = True
        except queue.Empty:
            gone = False
        expect("and in the middle of a request's body", gone and not any(seen.path == "/mcp/upload" for seen in resource.asked))
        connection, answer = listen()
        # Ctrl-C ends what is under way.
        outcome = proxy.end()
        expect("Ctrl-C during a stream: 130", outcome.status == 130, outcome)
        resource.server.shutdown()
        resource.server.server_close()
        proxy = Proxy(home, "x", resource.base + "/mcp")
        status, _, body = proxy.ask()
        expect("a resource that is down: 502", status == 502 and b"connection refused" in body, status, body)
        proxy.end()


def tokens():
    """Refreshed before it runs out and after a 401, once; a new login is seen without a restart."""
    server = authlib()
    refused = set()

    def guarded(request):
        if request.token.removeprefix("Bearer ") in refused:
            request.plain(401, b"no", WWW_Authenticate='Bearer error="invalid_token"')
        else:
            request.plain(200, b"%d" % len(request.body))

    def never(request):
        request.plain(401, b"never", WWW_Authenticate='Bearer error="invalid_token"')

    resource = Resource(mcp=guarded, mcp_never=never)
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        first = token_of(home)

        refused.add(first)
        status, _, body = proxy.ask("POST", body=b"a" * (1 << 20))
        expect("a 401 is answered with a new token", status == 200 and body == b"1048576", status, body)
        expect("in one request more", [len(seen.body) for seen in resource.asked] == [1 << 20] * 2)
        second = token_of(home)
        expect("by a refresh", second != first)

        refused.add(second)
        before = len(resource.asked)
        status, _, body = proxy.ask("POST", body=b"a" * ((1 << 20) + 1))
        expect("a body of more than a MiB is sent once", status == 401 and body == b"no" and len(resource.asked) == before + 1)
        expect("and the next request has the new token", proxy.ask()[0] == 200)

        before, refreshes = len(resource.asked), server.state()["refreshes"]
        status, fields, body = proxy.ask(below="/never")
        expect("a 401 that stays is passed on", status == 401 and body == b"never" and "invalid_token" in fields["WWW-Authenticate"]
               and len(resource.asked) == before + 2 and server.state()["refreshes"] == refreshes + 1)

        token = token_of(home)
        proxy.ask()
        server.control(lifetime=1)
        old = "Bearer " + home.must("token", "x", "--refresh").lines[0]
        server.control(lifetime=3600)
        refreshes = server.state()["refreshes"]
        deadline = time.monotonic() + PATIENCE
        while resource.asked[-1].token in (old, "Bearer " + token) and time.monotonic() < deadline:
            expect("the token's second", proxy.ask()[0] == 200)
            time.sleep(0.1)
        expect("a token that runs out is refreshed before the request", resource.asked[-1].token != old
               and server.state()["refreshes"] == refreshes + 1, server.state())

        home.logged_in("x", server)
        token = token_of(home)
        status, _, _ = proxy.ask()
        expect("a new login is seen without a restart", status == 200 and resource.asked[-1].token == "Bearer " + token)

        server.post("/_revoke")
        refused.add(token)
        status, _, body = proxy.ask()
        expect("a dead grant: 503 and the command", status == 503 and b"vault login x" in body, status, body)
        expect("on standard error too", proxy.running.shows("vault login x"), proxy.running.shown)
        home.logged_in("x", server)
        expect("which helps", proxy.ask()[0] == 200)
        outcome = proxy.end()
        everything = outcome.out + outcome.err
        expect("no token was ever shown", not any(t in everything for t in refused | {token}), everything)
        home.must("set", "static:key", stdin="abc123")
        proxy = Proxy(home, "static:key", resource.base + "/mcp")
        expect("a static secret", proxy.ask()[0] == 200 and resource.asked[-1].token == "Bearer abc123")
        proxy.end()


def bound():
    """A token that is bound to a key gets a proof for each request, with the resource's nonces."""
    server = authlib()
    with Home() as home:
        home.logged_in("x", server, "--dpop")
        server.control(dpop_nonce=True)
        proxy = Proxy(home, "x", server.facts["resource"])
        for number in range(3):
            status, fields, body = proxy.ask(headers={"DPoP": "of-the-client"})
            expect(f"request {number}", status == 200 and "DPoP-Nonce" not in fields, status, body)
        expect("the nonce was asked for once", [e["outcome"] for e in server.log("resource")] == ["use_dpop_nonce", "ok", "ok", "ok"],
               server.log("resource"))
        proxy.end()


def wanting(scopes):
    """A resource that wants scopes, and asks the authorization server what a token is good for."""

    def answer(request):
        held = set(requests.get(wanting.server.facts["resource"], headers={"Authorization": request.token}).json()["scope"].split())
        if missing := [scope for scope in scopes if scope not in held]:
            request.plain(403, b"more", WWW_Authenticate=f'Bearer error="insufficient_scope", scope="{" ".join(missing)}"')
        else:
            request.plain(200, request.body)

    return answer


def step_up():
    """A 403 that asks for more leads to a login for what is held and what is asked, while the client waits."""
    server = wanting.server = authlib()
    wanted = ["write"]
    resource = Resource(mcp=wanting(wanted))
    with Home() as home:
        home.logged_in("x", server, "--scope", "read", "--scope", "openid")
        proxy = Proxy(home, "x", resource.base + "/mcp", "--no-browser")
        answers = []
        clients = [threading.Thread(target=lambda: answers.append(proxy.ask("POST", body=b"kept"))) for _ in range(3)]
        for client in clients:
            client.start()
        url = proxy.running.url()
        expect("it asks for what is held and what is wanted", query_of(url)["scope"].split() == ["read", "openid", "write"], url)
        expect("nothing but two lines on standard output", proxy.running.out.count("\n") == 2)
        expect("clients are held", answers == [])
        get(drive(url))
        for client in clients:
            client.join(PATIENCE)
        expect("and answered", [(status, body) for status, _, body in answers] == [(200, b"kept")] * 3, answers)
        expect("by one login", len(re.findall(r"^http://\S+/authorize\?", proxy.running.shown, re.M)) == 1, proxy.running.shown)
        expect("the next has the new token", proxy.ask()[0] == 200)

        # The second step-up is the third authorization in all, and the last.
        wanted.append("email")
        shown = len(proxy.running.shown)
        answers.clear()
        client = threading.Thread(target=lambda: answers.append(proxy.ask()))
        client.start()
        second = proxy.running.wait_for(lambda text: re.search(r"^(http\S+/authorize\?\S+)\r?\n", text[shown:], re.M)).group(1)
        get(drive(second))
        client.join(PATIENCE)
        expect("a second step-up", answers and answers[0][0] == 200, answers)
        wanted.append("offline_access")
        shown = len(proxy.running.shown)
        status, fields, body = proxy.ask()
        expect("no fourth authorization", status == 403 and body == b"more" and "offline_access" in fields["WWW-Authenticate"]
               and "/authorize?" not in proxy.running.shown[shown:], proxy.running.shown[shown:])
        command = "vault login x --scope read --scope openid --scope write --scope email --scope offline_access"
        expect("but the command", proxy.running.shows(command), proxy.running.shown[shown:])
        proxy.end()
        proxy = Proxy(home, "x", resource.base + "/mcp", "--no-browser")
        expect("which a restart does not change", proxy.ask()[0] == 403 and "/authorize?" not in proxy.running.shown)
        running = home.start(*shlex.split(command)[1:], "--no-browser")
        get(drive(running.url()))
        running.end()
        expect("run by hand, it is seen without a restart", proxy.ask()[0] == 200)
        expect("no browser was started", len(home.browsers()) == 1, home.browsers())
        outcome = proxy.end()
        expect("130", outcome.status == 130, outcome)


def no_step_up():
    """Nobody to ask, nobody who agrees, nobody who is there: the 403 is passed on with the command to run."""
    server = wanting.server = authlib()

    def vague(request):
        request.plain(403, b"vague", WWW_Authenticate='Bearer error="insufficient_scope"')

    def other(request):
        request.plain(403, b"other", WWW_Authenticate='Basic realm="insufficient_scope"')

    resource = Resource(mcp=wanting(["write", "a'b"]), mcp_vague=vague, mcp_other=other)
    with Home() as home:
        home.logged_in("x", server, "--scope", "read")
        proxy = Proxy(home, "x", resource.base + "/mcp", "--no-input")
        status, fields, body = proxy.ask()
        expect("--no-input: the 403", status == 403 and body == b"more" and "write" in fields["WWW-Authenticate"], status)
        line = proxy.running.wait_for(lambda text: re.search(r"vault login x .*", text))
        expect("and the command, quoted", line and shlex.split(line.group())[2:] ==
               ["x", "--scope", "read", "--scope", "write", "--scope", "a'b"], line)
        expect("no URL", "/authorize?" not in proxy.running.shown)
        expect("another 403", proxy.ask(below="/other")[2] == b"other")
        proxy.end()
        proxy = Proxy(home, "x", resource.base + "/mcp", "--no-browser")
        shown = len(proxy.running.shown)
        expect("where it does not say what it wants", proxy.ask(below="/vague")[2] == b"vague"
               and "/authorize?" not in proxy.running.shown)
        answers = []
        server.control(consent="page")
        for number in range(2):
            shown = len(proxy.running.shown)
            client = threading.Thread(target=lambda: answers.append(proxy.ask()))
            client.start()
            url = proxy.running.wait_for(lambda text: re.search(r"^(http\S+/authorize\?\S+)\r?\n", text[shown:], re.M)).group(1)
            get(drive(url, deny=True))
            client.join(PATIENCE)
            expect(f"denied: the 403 ({number})", answers[-1][0] == 403 and answers[-1][2] == b"more", answers)
        shown = len(proxy.running.shown)
        expect("after two refusals nobody is asked again", proxy.ask()[0] == 403
               and "/authorize?" not in proxy.running.shown[shown:], proxy.running.shown[shown:])
        proxy.end()
        proxy = Proxy(home, "x", resource.base + "/mcp", "--no-browser")
        client = threading.Thread(target=lambda: proxy.raw(
            f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n"))
        client.start()
        callback = port_of(proxy.running.url())
        outcome = proxy.end()
        client.join(PATIENCE)
        expect("Ctrl-C during a step-up: 130, and its port is closed", outcome.status == 130 and is_closed(callback), outcome)


def self_signed(home):
    """The files of a certificate for 127.0.0.1, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return home.file("certificate.pem", certificate.public_bytes(pem)), home.file("key.pem", key.private_bytes(pem, *form))


def secured():
    """Over TLS, with the certificates that are named."""
    server = authlib()
    with Home() as home:
        home.logged_in("x", server)
        certificate, key = self_signed(home)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        resource = Resource(tls)
        for arguments, variables in ((("--ca-file", certificate), {}), ((), {"SSL_CERT_FILE": certificate})):
            proxy = Proxy(home, "x", resource.base + "/mcp", *arguments, **variables)
            status, _, body = proxy.ask()
            expect(f"trusted by {arguments or variables}", status == 200 and resource.asked[-1].token.startswith("Bearer "), body)
            proxy.end()
        before = len(resource.asked)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        status, _, body = proxy.ask()
        expect("not trusted: 502 and why", status == 502 and b"certificate is not trusted" in body
               and len(resource.asked) == before, body)
        proxy.end()


def interrupted():
    """A refresh that is under way when somebody presses Ctrl-C is stored first."""
    server = authlib()
    resource = Resource(mcp=lambda request: request.plain(401, b"no", WWW_Authenticate='Bearer error="invalid_token"'))
    with Home() as home:
        for number in (signal.SIGINT, signal.SIGTERM):
            home.logged_in("x", server)
            old = home.must("show", "x", "--reveal", "--json").json
            proxy = Proxy(home, "x", resource.base + "/mcp")
            server.control(faults=[{"kind": "hang", "grant_type": "refresh_token"}])
            client = threading.Thread(target=lambda: proxy.raw(
                f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n"))
            client.start()
            deadline = time.monotonic() + PATIENCE
            while not server.state()["hanging"] and time.monotonic() < deadline:
                time.sleep(0.01)
            proxy.running.signal(number)
            server.post("/_release")
            outcome = proxy.running.end()
            client.join(PATIENCE)
            new = home.must("show", "x", "--reveal", "--json").json
            expect(f"{128 + number}, and the new grant is here", outcome.status == 128 + number
                   and new["refresh_token"] != old["refresh_token"], outcome)
            refreshed = home.vault("token", "x", "--refresh")
            expect("which is good", refreshed.status == 0, refreshed)


def garbage():
    """Nothing that arrives ends it, and nothing but whole requests with the secret goes on."""
    server = authlib()
    resource = Resource()
    chance = random.Random(33)
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        own = f"127.0.0.1:{proxy.port}"
        pieces = [b"GET /mcp HTTP/1.1\r\n", b"POST /mcp HTTP/1.1\r\n", b"HEAD /mcp HTTP/1.0\r\n", f"Host: {own}\r\n".encode(),
                  b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n", b"\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n",
                  b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n", b" folded\r\n", b"\x00", b"\n", b"\r",
                  b"Origin: http://evil.example\r\n", b"Authorization: Bearer guess\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                  b"x" * 3000, b"CONNECT evil.example:443 HTTP/1.1\r\n"]
        secret = f"Authorization: {proxy.bearer}\r\n".encode()
        for guess in (False, True):
            for _ in range(300):
                parts = chance.choices(pieces + ([secret] * 6 if guess else []), k=chance.randrange(1, 9))
                text = b"".join(parts)
                if chance.random() < 0.3:
                    text = bytes(byte ^ (chance.random() < 0.02) * chance.randrange(256) for byte in text)
                with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
                    connection.settimeout(0.02)
                    try:
                        connection.sendall(text)
                        connection.recv(65536)
                    except OSError:
                        pass
            if not guess:
                expect("without the secret nothing goes on", resource.connections == 0)
        expect("it is still there", proxy.ask()[0] == 200)
        for seen in resource.asked:
            if len(seen.headers.get_all("Authorization")) != 1 or proxy.secret in str(seen.headers):
                expect("each has one token", False, seen.headers)
        outcome = proxy.end()
        expect("130", outcome.status == 130, outcome)


def leaving():
    """Clients that leave at any moment leave nothing behind."""
    server = authlib()

    def large(request):
        request.plain(200, b"x" * (1 << 20))

    resource = Resource(mcp_large=large)
    chance = random.Random(7)
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")

        def descriptors():
            return len(os.listdir(f"/proc/{proxy.running.process.pid}/fd"))

        expect("before", proxy.ask(below="/large")[0] == 200)
        head = f" HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
        texts = [f"GET /mcp/large{head}\r\n".encode(), f"POST /mcp{head}Content-Length: 300000\r\n\r\n".encode() + b"x" * 300000,
                 f"POST /mcp{head}Content-Length: 2000000\r\n\r\n".encode() + b"x" * 2000000,
                 f"POST /mcp{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n"]
        for _ in range(300):
            text = chance.choice(texts) * chance.choice((1, 1, 2))
            with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", chance.randrange(2), 0))
                connection.settimeout(0.01)
                try:
                    connection.sendall(text[:chance.choice((len(text), chance.randrange(len(text))))])
                    connection.recv(chance.choice((1, 1000, 200000)))
                except OSError:
                    pass
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: proxy.ask(below="/large")[::2], range(100)))
        expect("the others are served", all(status == 200 and len(body) == 1 << 20 for status, body in answers))
        deadline = time.monotonic() + PATIENCE
        while descriptors() > 60 and time.monotonic() < deadline:
            time.sleep(0.05)
        expect("nothing is left open", descriptors() <= 60, descriptors())
        outcome = proxy.end()
        expect("130, and no word about any of them", outcome.status == 130 and outcome.err == "", outcome)


def rekeyed():
    """What happens to the vault meanwhile is seen without a restart."""
    server = authlib()
    resource = Resource()
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        expect("before", proxy.ask()[0] == 200)
        home.must("key", "rotate", "--yes", "--no-recovery-code")
        status, _, body = proxy.ask()
        expect("with a new data key", status == 200, status, body)
        home.must("rename", "x", "y")
        status, _, body = proxy.ask()
        expect("without its entry: 503", status == 503, status, body)
        home.must("rename", "y", "x")
        expect("with it again", proxy.ask()[0] == 200)
        proxy.end()


def pressure():
    """Whoever is slow slows the other side down, and nothing piles up in between."""
    server = authlib()
    amount = {}
    part = b"x" * 65536

    def pour(connection, into):
        """Writes until nobody takes any more for a while, or it is far too much."""
        connection.setblocking(False)
        amount[into] = 0
        while amount[into] < 256 << 20 and select.select([], [connection], [], 2)[1]:
            amount[into] += connection.send(part)

    poured = threading.Event()

    def fountain(request):
        request.send_response(200)
        request.send_header("Content-Length", str(1 << 40))
        request.end_headers()
        pour(request.connection, "answer")
        poured.set()
        request.close_connection = True

    class Deaf(threading.Thread):
        def run(self):
            self.kept = [listener.accept()[0] for _ in range(1)]

    resource = Resource(mcp=fountain)
    with Home() as home, socket.socket() as listener:
        home.logged_in("x", server)

        def memory(proxy):
            return int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{proxy.running.process.pid}/status").read()).group(1)) // 1024

        proxy = Proxy(home, "x", resource.base + "/mcp")
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n\r\n".encode())
            expect("an answer that nobody reads comes to an end", poured.wait(PATIENCE))
        expect("soon", amount["answer"] < 64 << 20, amount)
        expect("and takes little memory", memory(proxy) < 200, memory(proxy))
        proxy.end()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        deaf = Deaf(daemon=True)
        deaf.start()
        proxy = Proxy(home, "x", f"http://127.0.0.1:{listener.getsockname()[1]}/mcp")
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nAuthorization: {proxy.bearer}\r\n"
                           f"Content-Length: {1 << 40}\r\n\r\n".encode())
            pour(client, "request")
        expect("a request that nobody reads comes to an end soon", amount["request"] < 64 << 20, amount)
        expect("and takes little memory", memory(proxy) < 200, memory(proxy))
        proxy.end()


def unix_socket():
    """At a Unix socket the owner counts, and nobody needs a secret."""
    server = authlib()
    resource = Resource()
    with Home() as home:
        home.logged_in("x", server)
        path = home.root + "/runtime_dir/proxy.sock"
        to = resource.base + "/mcp"
        proxy = Proxy(home, "x", to, "--listen", "unix:" + path)
        expect("the address alone", proxy.running.out == f"unix:{path}\n", proxy.running.out)
        expect("0600", os.stat(path).st_mode & 0o777 == 0o600)

        def ask(text, uid=None):
            with socket.socket(socket.AF_UNIX) as connection:
                if uid is not None:
                    os.seteuid(uid)
                try:
                    connection.connect(path)
                finally:
                    if uid is not None:
                        os.seteuid(0)
                connection.settimeout(PATIENCE)
                try:
                    connection.sendall(text.encode())
                    data = b""
                    while piece := connection.recv(65536):
                        data += piece
                except OSError:
                    return ""
                return data.decode()

        request = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        answer = ask(request)
        expect("a request", answer.startswith("HTTP/1.1 200") and resource.asked[-1].token.startswith("Bearer "), answer)
        expect("a web page", ask(request.replace("\r\n\r\n", "\r\nOrigin: http://localhost\r\n\r\n")).startswith("HTTP/1.1 403"))
        if os.geteuid() == 0:
            os.chmod(home.root, 0o755)
            os.chmod(home.root + "/runtime_dir", 0o755)
            os.chmod(path, 0o666)
            before = len(resource.asked)
            expect("another user, should one come in, is not listened to", ask(request, uid=65534) == "" and len(resource.asked) == before)
            os.chmod(home.root + "/runtime_dir", 0o700)
        fails("a second one", home.vault("proxy", "x", "--to", to, "--listen", "unix:" + path), 10, "listens")
        expect("left the first alone", ask(request).startswith("HTTP/1.1 200"))
        proxy.end(signal.SIGKILL)
        expect("a killed one leaves its socket", os.path.exists(path))
        proxy = Proxy(home, "x", to, "--listen", "unix:" + path)
        expect("which the next one takes over", ask(request).startswith("HTTP/1.1 200"))
        outcome = proxy.end(signal.SIGTERM)
        expect("143, and the socket is gone", outcome.status == 143 and not os.path.exists(path), outcome)
        file = home.file("runtime_dir/file", "mine")
        fails("a file", home.vault("proxy", "x", "--to", to, "--listen", "unix:" + file), 10)
        expect("is left", open(file).read() == "mine")
        os.mkdir(home.root + "/wide", 0o755)
        os.chmod(home.root + "/wide", 0o755)
        fails("a directory that others enter", home.vault("proxy", "x", "--to", to, "--listen", f"unix:{home.root}/wide/s"), 10)
        fails("no directory", home.vault("proxy", "x", "--to", to, "--listen", f"unix:{home.root}/none/s"), 4)
        fails("a long path", home.vault("proxy", "x", "--to", to, "--listen", f"unix:{home.root}/{'a' * 120}"), 10)


def crowded():
    """Idle connections keep no client out."""
    import resource as limits
    server = authlib()
    soft, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    count = min(10_000, hard - 200)
    limits.setrlimit(limits.RLIMIT_NOFILE, (max(soft, min(hard, count + 200)), hard))
    resource = Resource()
    with Home() as home:
        home.logged_in("x", server)
        proxy = Proxy(home, "x", resource.base + "/mcp")
        idle = []
        for number in range(count):
            connection = socket.socket()
            connection.connect(("127.0.0.1", proxy.port))
            if number % 2:
                connection.sendall(b"GET /mcp HTTP/1.1\r\n")
            idle.append(connection)
            if number % 1000 == 999:
                expect(f"a client among {number + 1} idle connections", proxy.ask()[0] == 200)
        expect(f"a client among {count} idle connections", proxy.ask()[0] == 200)
        open_here = len(os.listdir(f"/proc/{proxy.running.process.pid}/fd"))
        expect("which it does not keep", open_here < 400, open_here)
        for connection in idle:
            connection.close()
        expect("130", proxy.end().status == 130)


if __name__ == "__main__":
    main(passing, strangers, starting, streams, tokens, bound, step_up, no_step_up, secured, interrupted, garbage, leaving, rekeyed, pressure, unix_socket, crowded)
