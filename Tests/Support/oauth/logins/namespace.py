#!/usr/bin/env python3
"""A server on the internet leads to nothing that is not: shown by every packet that is sent, in a network of its own."""
import sys

sys.path.insert(0, __import__("os").path.dirname(__import__("os").path.dirname(__import__("os").path.realpath(__file__))))
import network

FOUR, SIX = "93.184.216.34", "2606:4700::1111"
PRIVATE = {
    "private": "10.9.8.7", "carrier": "100.64.0.1", "link": "169.254.169.254", "bench": "198.18.0.1", "loop": "127.0.0.1",
    "zero": "0.0.0.0", "unique": "fd00::1", "loop6": "::1", "none6": "::", "mapped": "::ffff:10.9.8.7", "nat64": "64:ff9b::a09:807",
    "sixtofour": "2002:a09:807::1", "teredo": "2001::1", "group": "224.0.0.1", "everybody": "255.255.255.255",
}
# Those of them that an interface can have.
OWN = ["10.9.8.7", "100.64.0.1", "169.254.169.254", "198.18.0.1", "fd00::1", "64:ff9b::a09:807", "2002:a09:807::1", "2001::1"]

network.enter(FOUR, SIX, *OWN)

from authority import Authority
from mcp_place import *

NAMES = {"mcp.example": [FOUR], "as.example": [SIX], "two.example": [FOUR, SIX], "both.example": [FOUR, "10.9.8.7"],
         "behind.example": ["10.9.8.7", FOUR], "both6.example": [SIX, "fd00::1"], "mixed.example": [FOUR, "fd00::1"]}
NAMES |= {f"{name}.example": [address] for name, address in PRIVATE.items()}


network.resolve_here()
names, sniffer = network.Names(), network.Sniffer()


class Place:
    """Names, certificates and a home."""

    def __enter__(self):
        self.home, self.names, self.sniffer, self.liars = Home(), names, sniffer, []
        for name, addresses in NAMES.items():
            self.names.set(name, addresses)
        self.authority = Authority(self.home.root)
        hosts = [*NAMES, "rebind.example", "localhost", FOUR, SIX, *PRIVATE.values()]
        self.pair = self.authority.issue(*hosts)
        # The driver, and the questions to the servers, trust it too.
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = self.authority.file
        self.home.__enter__()
        return self

    def __exit__(self, *_):
        for liar in self.liars:
            liar.close()
        self.home.__exit__()

    def liar(self, answers, address=FOUR, name="mcp.example", port=443):
        liar = Liar(answers, address, port, name, *(self.pair if port == 443 else ()))
        self.liars.append(liar)
        return liar

    def vault(self, command, url, *arguments):
        self.sniffer.clear()
        return self.home.vault(command, *arguments, url, "--ca-file", self.authority.file) if command == "discover" else \
            self.home.vault("login", "x", "--url", url, "--no-browser", "--timeout", "1s", "--ca-file", self.authority.file, *arguments)


def begun():
    """The counter-check: what the sniffer sees."""
    with Place() as place:
        listener = place.liar({}, "10.9.8.7", "private.example")
        place.sniffer.clear()
        requests.get(listener.base + "/x", timeout=10)
        expect("a connection to a private address is seen", ("tcp", "10.9.8.7", 443) in place.sniffer.private(), place.sniffer.seen)
        place.sniffer.clear()
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.connect_ex(("fd00::1", 8080))
        expect("one that is refused too", place.sniffer.private() == [("tcp", "fd00::1", 8080)], place.sniffer.seen)
        place.sniffer.clear()
        public = place.liar({"/x": [{"body": "x"}]})
        requests.get(public.base + "/x", timeout=10)
        expect("and none to a global one", place.sniffer.private() == [] and ("tcp", FOUR, 443) in place.sniffer.seen, place.sniffer.seen)
        place.names.set("rebind.example", [FOUR], ["10.9.8.7"])
        found = [socket.getaddrinfo("rebind.example", 443, type=socket.SOCK_STREAM)[0][4][0] for _ in range(3)]
        expect("names change as they are told", found == [FOUR, "10.9.8.7", "10.9.8.7"], found)


def led(server="{base}", metadata_at=None, first=None, **members):
    """What a server says of itself that leads elsewhere."""
    answers = honest(**members)
    answers[PROTECTED + "/mcp"] = [{"body": {"resource": "{base}/mcp", "authorization_servers": [server]}}]
    answers["GET /mcp"] = [first or challenge(f'Bearer resource_metadata="{metadata_at or "{base}" + PROTECTED + "/mcp"}"')]
    return answers


def literal(address):
    return f"[{address}]" if ":" in address else address


def global_to_private():
    """No packet to a private address, whatever a server on the internet says."""
    with Place() as place:
        # Whoever answers there would be believed, and is at home at every private address.
        inner = [place.liar(honest(), address, "inner") for address in [*OWN, "127.0.0.1", "::1"]]
        inner += [place.liar(honest(), address, "inner", 80) for address in ["10.9.8.7", "127.0.0.1", "::1", "169.254.169.254", "fd00::1"]]
        server = place.liar({})
        hosts = [literal(address) for address in PRIVATE.values()]
        hosts += [name for name in NAMES if name not in ("mcp.example", "as.example", "two.example")]
        hosts += ["localhost", "private.example.", "PRIVATE.example", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "10.9.2055",
                  "[::ffff:a09:807]", "[::10.9.8.7]", "x.localhost"]

        def refused(what, answers, statuses=(10,)):
            server.answers = answers
            for command in ("login", "discover"):
                server.asked.clear()
                outcome = place.vault(command, server.base + "/mcp")
                sent = place.sniffer.private()
                urls = [line for line in outcome.err.splitlines() if re.match(r"https?://", line)]
                expect(f"{command}: {what}: no packet, exit {outcome.status}", sent == [] and all(not liar.asked for liar in inner)
                       and server.requests()[:1] == ["GET /mcp"]
                       and (command == "discover" or outcome.status in statuses and urls == [])
                       and not any("POST" in step for step in server.requests()), sent, outcome, server.requests())

        for host in hosts:
            refused(f"the authorization server at {host}", led(f"https://{host}"))
        for host in ("10.9.8.7", "private.example", "both.example", "behind.example", "mixed.example", "[::ffff:10.9.8.7]",
                     "localhost", "127.0.0.1"):
            refused(f"the resource's metadata at {host}", led(metadata_at=f"https://{host}{PROTECTED}/mcp"))
            for member in ("token_endpoint", "registration_endpoint", "authorization_endpoint"):
                refused(f"the {member} at {host}", led(**{member: f"https://{host}/x"}))
        for url in ("http://127.0.0.1/x", "http://localhost/x", "http://[::1]/x"):
            # Plain http on this machine is for those who named this machine.
            refused(f"the authorization server at {url}", led(url[:-2]))
            refused(f"the token endpoint at {url}", led(token_endpoint=url))
            refused(f"the resource's metadata at {url}", led(metadata_at=url))
        for target in ("https://private.example/mcp", "https://10.9.8.7/mcp", "http://127.0.0.1/mcp"):
            moved = {"status": 302, "headers": {"Location": target}}
            refused(f"a redirect to {target}", led(first=moved))
            refused(f"metadata redirected to {target}", led() | {PROTECTED + "/mcp": [moved]})
            refused(f"the server's metadata redirected to {target}", led() | {SERVER: [moved]})


def rebinding():
    """A name that is global when it is looked at, and private when it is used."""
    with Place() as place:
        inner = [place.liar(honest(), address, "rebind.example") for address in ("10.9.8.7", "127.0.0.1", "fd00::1")]

        def untouched():
            asked = [step for liar in inner for step in liar.requests()]
            for liar in inner:
                liar.asked.clear()
            return asked == []

        def attempt(what, server, url):
            """A login as far as it goes, a person at the browser included."""
            place.sniffer.clear()
            running = start_login(place.home, "x", url, "--ca-file", place.authority.file, "--timeout", "10s")
            callback = None
            try:
                callback = ("tcp", "127.0.0.1", port_of(running.url()))
                redirected(running)
            except (RuntimeError, requests.ConnectionError):
                pass  # It ended before there was a URL, or before it was answered.
            outcome = running.end()
            sent = [entry for entry in place.sniffer.private() if entry != callback]
            expect(f"{what}: no packet, exit {outcome.status} after {len(server.requests())} requests", sent == [] and untouched()
                   and outcome.status in (0, 9, 10), sent, outcome, server.requests())
            server.close()
            return outcome

        elsewhere = {"issuer": "https://rebind.example"} | {
            member: f"https://rebind.example/{path}" for member, path in (
                ("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("registration_endpoint", "register"))}
        for private in ("10.9.8.7", "127.0.0.1", "fd00::1"):
            statuses = []
            for good in range(1, 8):
                place.names.set("rebind.example", *[[FOUR]] * good, [private])
                server = place.liar(honest(), name="rebind.example")
                statuses.append(attempt(f"the resource is at {private} after {good} lookups", server, "https://rebind.example/mcp").status)
                place.names.set("rebind.example", *[[FOUR]] * good, [FOUR, private])
                server = place.liar(led("https://rebind.example", **elsewhere))
                attempt(f"the authorization server is at {private} too after {good} lookups", server, server.base + "/mcp")
            expect(f"{private}: refused early, and let through where it never came to it", 10 in statuses and 0 in statuses, statuses)
        # A grant that is there: its server's name leads elsewhere by the time of the refresh.
        server = place.liar(led("https://rebind.example", **elsewhere))
        place.names.set("rebind.example", [FOUR])
        running = start_login(place.home, "y", server.base + "/mcp", "--ca-file", place.authority.file)
        redirected(running)
        outcome = running.end()
        expect("logged in while it was global", outcome.status == 0, outcome, server.requests())
        for private in ("10.9.8.7", "127.0.0.1"):
            place.names.set("rebind.example", [private])
            place.sniffer.clear()
            outcome = place.home.vault("token", "y", "--refresh", SSL_CERT_FILE=place.authority.file)
            expect(f"a refresh with the server at {private}: no packet, exit {outcome.status}", place.sniffer.private() == []
                   and outcome.status in (9, 10) and untouched(), place.sniffer.private(), outcome)


def allowed():
    """Who starts from a private address may be led to others, and a global login works from end to end."""
    with Place() as place:
        for name, address, target, at in (
            ("private.example", "10.9.8.7", "https://unique.example", "fd00::1"),
            ("unique.example", "fd00::1", "https://mcp.example", FOUR),
            ("carrier.example", "100.64.0.1", "https://private.example", "10.9.8.7"),
        ):
            answers = led(target, **{"issuer": target} | {
                member: f"{target}/{path}" for member, path in (
                    ("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("registration_endpoint", "register"))})
            server = place.liar(answers, address, name)
            other = place.liar(answers, at, target.removeprefix("https://"))
            running = start_login(place.home, "y", server.base + "/mcp", "--ca-file", place.authority.file)
            redirected(running)
            outcome = running.end()
            expect(f"{name} leads to {target}", outcome.status == 0 and other.requests()[-1] == "POST /token", outcome,
                   server.requests(), other.requests())
            server.close()
            other.close()
        server = Packages("--bind", FOUR, "--bind", SIX, "--name", "mcp.example", "--name", "as.example", "--port", "443",
                          "--certificate", place.pair[0], "--key", place.pair[1])
        place.sniffer.clear()
        found = place.home.vault("discover", server.resource, "--json", "--ca-file", place.authority.file)
        expect("the real servers are discovered, and nothing private asked", found.status == 0 and place.sniffer.private() == [],
               found, place.sniffer.private())
        outcome, address, page = log_in(place.home, "work", server.resource, "--ca-file", place.authority.file)
        sent = {entry[1:] for entry in place.sniffer.private()}
        expect("logged in, and nothing private but the callback", outcome.status == 0 and page.status_code == 200
               and sent == {("127.0.0.1", port_of(address))}, outcome, sent)
        fresh = place.home.vault("token", "work", "--refresh", SSL_CERT_FILE=place.authority.file)
        expect("refreshed", fresh.status == 0, fresh)
        who = tool(server.resource, "whoami", f"Bearer {fresh.out.strip()}")
        expect("and the token is good", isinstance(who, dict) and who["subject"] == "alice", who)
        plain = place.home.vault("token", "work", "--refresh")
        expect("whoever trusts it no more is told so", plain.status == 0 or plain.status == 9 and "certificate" in plain.err, plain)
        bad = place.home.vault("login", "z", "--url", server.resource, "--no-browser", "--timeout", "5s")
        expect("an authority nobody named is not trusted", bad.status in (9, 10) and bad.out == "", bad)
        server.end()


def through_a_proxy():
    """HTTPS_PROXY: every request goes through it, names are its business, and that is said."""
    asked, listener = [], socket.create_server(("127.0.0.1", 0))

    def relay(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # The other direction has ended.

    def serve(client):
        head = b""
        while b"\r\n\r\n" not in head and (data := client.recv(4096)):
            head += data
        method, target, *_ = head.decode().split(" ")
        asked.append(f"{method} {target}")
        with client, socket.create_connection((FOUR, 443)) as upstream:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=relay, args=(upstream, client))
            back.start()
            relay(client, upstream)
            back.join()

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with Place() as place:
        # A name that nobody but the proxy knows.
        place.pair = place.authority.issue("inside.example")
        server = place.liar(honest(), name="inside.example")
        trust = ("--ca-file", place.authority.file)
        without = place.home.vault("discover", server.base + "/mcp", *trust)
        expect("without the proxy there is no such name", without.status == 9 and asked == [], without, asked)
        place.sniffer.clear()
        looked = place.names.lookups("inside.example")
        told = place.home.vault("discover", server.base + "/mcp", "--json", *trust, HTTPS_PROXY=proxy)
        expect("discover says who looks at addresses", told.status == 0 and told.json["address_check"] == "proxy", told)
        expect("all of it went through the proxy", set(asked) == {"CONNECT inside.example:443"} and {
            entry[1:] for entry in place.sniffer.private()} == {("127.0.0.1", listener.getsockname()[1])}, asked, place.sniffer.private())
        expect("and no name was looked up here", place.names.lookups("inside.example") == looked, place.names.counts)
        shown = place.home.vault("discover", server.base + "/mcp", *trust, HTTPS_PROXY=proxy)
        expect("for people too", shown.status == 0 and "proxy" in shown.err + shown.out, shown)
        running = place.home.start("login", "work", "--url", server.base + "/mcp", "--no-browser", *trust, HTTPS_PROXY=proxy)
        redirected(running)
        outcome = running.end()
        expect("a login through the proxy", outcome.status == 0 and server.requests()[-1] == "POST /token", outcome, server.requests())
        count = len(asked)
        refused = place.home.vault("discover", server.base + "/mcp", *trust, HTTPS_PROXY=proxy, NO_PROXY="inside.example")
        expect("NO_PROXY is honoured", refused.status == 9 and len(asked) == count, refused, asked)
        server.answers = led("https://10.9.8.7")
        count = len(asked)
        outcome = place.home.vault("login", "x", "--url", server.base + "/mcp", "--no-browser", "--timeout", "5s", *trust,
                                   HTTPS_PROXY=proxy)
        expect("a private address that is written out is refused all the same", outcome.status == 10
               and not any("10.9.8.7" in line for line in asked[count:]), outcome, asked[count:])


if __name__ == "__main__":
    main(begun, global_to_private, rebinding, allowed, through_a_proxy)
