"""What the refresh scripts share: a real authorization server, and homes whose vault holds grants of that server."""

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.append( os.path.join(SUPPORT, "faults"))

from common import Broken, Disk, Findings, Outcome, Place, arguments, each, sample, skip  # noqa: E402, F401

# For what takes no time unless it hangs; no test waits for it to pass.
PATIENCE = 60
PAST, FUTURE = "2020-01-01T00:00:00Z", "2031-01-01T00:00:00Z"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fingerprint(token):
    """A token's name in the server's log."""
    return hashlib.sha256(token.encode()).hexdigest()[:16] if token else None


def until(condition, what):
    """Asks again and again, without pauses, until there is an answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
    raise Broken(f"waited in vain for {what}")


class Peer:
    """A server of `Tests/Support/oauth`; it ends with this object."""

    def __init__(self, script, *options):
        environment = os.path.join(SUPPORT, "oauth", "environment")
        python = subprocess.run([environment], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self.process = subprocess.Popen(
            [os.path.join(python, "bin", "python"), os.path.join(SUPPORT, "oauth", script), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline()
        if not line:
            raise Broken(f"{script} did not start")
        self.facts = json.loads(line)
        self.base = self.facts["base"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, path, body=None):
        """The JSON answer to GET, or to POST with a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        with NO_PROXY.open(request, timeout=PATIENCE) as answer:
            return json.load(answer)


class Server(Peer):
    """The authorization server: rotation and reuse detection are on."""

    def __init__(self):
        super().__init__("authorization_server.py")
        self.token_endpoint = self.facts["token_endpoint"]

    def control(self, **members):
        self.ask("/_control", members)

    def fault(self, kind, **members):
        """Does this to the next refresh."""
        self.control(faults=[{"kind": kind, "grant_type": "refresh_token", **members}])

    def state(self):
        return self.ask("/_state")

    def release(self):
        return self.ask("/_release", {})["released"]

    def wait_for_hanging(self, count=1):
        until(lambda: self.state()["hanging"] == count, f"{count} requests to hang")

    def refreshes(self):
        """What the log says of every refresh request, in order."""
        return [entry for entry in self.ask("/_log") if entry.get("grant_type") == "refresh_token"]

    def issued(self, family):
        """The fingerprints of the newest access and refresh token of a grant."""
        entries = [entry for entry in self.ask("/_log") if entry.get("family") == family]
        newest = [entry for entry in entries if entry.get("issued_refresh_token")][-1]
        return newest["issued_access_token"], newest["issued_refresh_token"]

    def grant(self):
        """A new grant, by the code flow with PKCE: its tokens, and its name in the log."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect = "http://127.0.0.1:9/callback"
        query = {
            "response_type": "code", "client_id": "public", "redirect_uri": redirect, "scope": "read", "state": "s",
            "code_challenge": challenge, "code_challenge_method": "S256",
        }
        code = None
        try:
            STAYING.open(self.base + "/authorize?" + urllib.parse.urlencode(query), timeout=PATIENCE)
        except urllib.error.HTTPError as redirected:
            found = urllib.parse.urlsplit(redirected.headers["Location"]).query
            code = urllib.parse.parse_qs(found)["code"][0]
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "client_id": "public",
            "code_verifier": verifier,
        }
        request = urllib.request.Request(self.token_endpoint, urllib.parse.urlencode(form).encode())
        with NO_PROXY.open(request, timeout=PATIENCE) as answer:
            tokens = json.load(answer)
        issued = fingerprint(tokens["refresh_token"])
        family = next(
            entry["family"] for entry in self.ask("/_log") if entry.get("issued_refresh_token") == issued
        )
        return Grant(tokens["access_token"], tokens["refresh_token"], family)


class Grant:
    def __init__(self, access, refresh, family):
        self.access, self.refresh, self.family = access, refresh, family


class Stay(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirect, which tells where it leads."""

    def redirect_request(self, *_):
        return None


STAYING = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)


class Home(Place):
    """A home whose vault refreshes at a server."""

    def take(self, grant, name="g", endpoint=None, expiry=FUTURE):
        """Puts a grant into the vault, as its only owner."""
        tokens = {"access_token": grant.access, "token_type": "Bearer", "refresh_token": grant.refresh, "expiry": expiry}
        # An entry is known by the file it came from.
        path = self.file(f"{name}.json", json.dumps(tokens).encode())
        self.must(
            "import", path, "--yes", "--remove", "--name", name, "--token-url", endpoint, "--client-id", "public", "-q"
        )

    def start(self, *arguments, prefix=(), **options):
        """Starts `vault` and does not wait for it."""
        return Running([*prefix, os.path.join(self.programs, "vault"), *arguments], self, **options)

    def interfere(self, *arguments, under=None, calls="protocol", at=0, error=0, on=False):
        """As `injected`, for any directory; `calls` of the outcome are triples of number, name and path."""
        log = os.path.join(self.root, "calls")
        prefix = self.injector(log, calls, under)
        prefix += ["--at", str(at)] if at else []
        prefix += ["--error", str(error)] if error else []
        prefix += ["--from"] if on else []
        outcome = self.vault(*arguments, prefix=[*prefix, "--"])
        if outcome.status == 77:
            skip("the injector does not know this machine's system calls")
        if outcome.status == 125:
            raise Broken(str(outcome))
        with open(log, encoding="utf-8", errors="replace") as lines:
            lines = lines.read().splitlines()
        outcome.calls = [tuple(line.split(" ", 2)) for line in lines if not line.startswith("hit")]
        hits = [line[4:] for line in lines if line.startswith("hit")]
        outcome.hit = hits[0].replace(self.home, "~") if hits else None
        return outcome

    def injector(self, log, calls, under=None):
        program = os.path.join(self.programs, "vault-test-injector")
        return [program, "--under", under or self.home, "--log", log, "--calls", calls]

    def kept(self, name="g"):
        """The entry as it is in the vault, looked at by another program: its state, and its tokens."""
        for line in self.dump().splitlines():
            words = line.split(" ")
            if words[0] == "oauth:" + name:
                fields = dict(word.split("=", 1) for word in words[3:] if "=" in word)
                return Kept(words[1], fields.get("access_token"), fields.get("refresh_token"))
        return None


class Kept:
    def __init__(self, state, access, refresh):
        self.state, self.access, self.refresh = state, access, refresh
        self.access_fingerprint, self.refresh_fingerprint = fingerprint(access), fingerprint(refresh)

    def __str__(self):
        return f"{self.state}, access token {self.access_fingerprint}, refresh token {self.refresh_fingerprint}"


class Running:
    """A program that was started."""

    def __init__(self, command, place, stdin=subprocess.DEVNULL):
        # A process group of its own in our session: one that is orphaned could not be stopped by SIGTSTP.
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=place.environment, cwd=place.root,
            process_group=0,
        )
        self.pid = self.process.pid

    def end(self):
        """Waits for its end."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Broken("a program did not end")
        status = self.process.returncode
        return Outcome(128 - status if status < 0 else status, out, err)

    def signal(self, number):
        """Sends a signal, and returns once the process has taken it (SIGSTOP: once it has stopped)."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            os.waitpid(self.pid, os.WUNTRACED)
            return
        mask = 1 << (number - 1)

        def is_taken():
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as lines:
                text = lines.read()
            pending = [int(word, 16) for word in re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", text, re.MULTILINE)]
            return all(word & mask == 0 for word in pending)

        until(is_taken, f"signal {number} to arrive")

    @property
    def has_ended(self):
        return self.process.poll() is not None


class Asker:
    """A long-lived program that links the library and asks at each line."""

    arguments = []

    def __init__(self, place, name="g"):
        self.process = subprocess.Popen(
            [os.path.join(place.programs, "vault-test-worker"), "tokens", name, *self.arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=place.environment, cwd=place.root, text=True, bufsize=1,
        )
        self.expect("open")

    def expect(self, word):
        line = self.process.stdout.readline().rstrip("\n")
        if line.split(" ")[0] != word:
            raise Broken(f"the worker says {line!r} in the place of {word}")
        return line

    def begin(self, line):
        self.process.stdin.write(line + "\n")

    def has_begun(self):
        self.expect("asking")

    def answer(self):
        """What it got: `token TEXT`, `tokens …` or `error STATUS SENTENCE`."""
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line):
        self.begin(line)
        self.has_begun()
        return self.answer()

    def end(self):
        self.process.stdin.close()
        status = self.process.wait()
        self.process.stdout.close()
        return status


@contextlib.contextmanager
def home_with_grant(programs, server, endpoint=None, **options):
    """A vault that holds one grant of the server by the name `g`."""
    with Home(programs) as home:
        home.make_vault()
        grant = server.grant()
        home.take(grant, endpoint=endpoint or server.token_endpoint, **options)
        yield home, grant


def text(outcome):
    return outcome.err.decode("utf-8", "replace")


def token_of(outcome):
    return outcome.out.decode().strip()


def is_lost(outcome, name="g"):
    """Whether it says that an answer was lost, and what to do about it."""
    return outcome.status == 5 and "lost" in text(outcome) and f"vault: hint: vault login {name}" in text(outcome)


def is_possibly_lost(outcome):
    """Whether it says that the answer may have been lost."""
    return outcome.status == 9 and "lost" in text(outcome)
