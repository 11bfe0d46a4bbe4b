"""What the login scenarios share: a home of its own, a `vault` that runs in it, servers, and what is expected of them."""
import argparse
import http.server
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import urllib.parse

HERE = os.path.dirname(os.path.realpath(__file__))
OAUTH = os.path.dirname(HERE)
sys.path.insert(0, OAUTH)
sys.path.append(os.path.dirname(OAUTH))

import network

# A port that one login registered must be free for the next, and one that was closed stay so: whatever else listens.
# But for Chromium, to which a machine without a network is one with a slow network, which it complains of.
if os.getuid() == 0 and not getattr(sys.modules["__main__"], "SHOWS_A_BROWSER", False):
    network.enter(is_needed=False)

import requests

from drive_login import drive
from ports import free_ports

# Long enough for a machine that does many other things; nothing waits that long unless it is broken.
PATIENCE = 60
failures = []


def expect(what, holds, *seen):
    """Says what was seen; a scenario goes on, so that one run tells of everything."""
    if not holds:
        failures.append(what)
        print(f"FAIL {what}", *seen, sep="\n     ", flush=True)
    else:
        print(f"ok   {what}", flush=True)
    return holds


def main(*scenarios):
    """Runs scenarios by name, or all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, help="the directory with vault")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    Home.program = os.path.join(options.programs, "vault")
    try:
        for scenario in scenarios:
            if not options.names or scenario.__name__ in options.names:
                print(f"-- {scenario.__name__}", flush=True)
                scenario()
    finally:
        for server in Server.running:
            server.end()
    print(f"{len(failures)} failures in {time.process_time():.1f} s of our own", flush=True)
    sys.exit(1 if failures else 0)


def tool(name):
    """Where a tool is that this machine may have; without it the scenario is skipped, and says so."""
    own = os.path.join(os.path.dirname(sys.executable), name)
    found = own if os.access(own, os.X_OK) else shutil.which(name, path=os.environ.get("TOOLS_PATH", os.environ["PATH"]))
    if not found:
        print(f"skipped: {name} is not installed", flush=True)
        sys.exit(77)
    return found


class Outcome:
    """How a `vault` ended, and what it left."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err
        self.lines = out.splitlines()

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def hint(self):
        found = re.findall(r"^vault: hint: (.*)$", self.err, re.M)
        return found[-1] if found else ""

    def __str__(self):
        return f"exit {self.status}\n     stdout: {self.out.strip()!r}\n     stderr: {self.err.strip()!r}"


class Home:
    """A temporary home in which everything is private."""

    program = None

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="vault-logins-")
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self.root + "/home"}
        for name in ("DATA_HOME", "STATE_HOME", "CONFIG_HOME", "RUNTIME_DIR"):
            self.environment["XDG_" + name] = f"{self.root}/{name.lower()}"
        for name in ("home", "runtime_dir", "config_home", "bin"):
            os.mkdir(f"{self.root}/{name}", 0o700)
        self.configuration = self.root + "/config_home/vault"
        # A browser that does nothing but count: one line for each start, its argument.
        self.opened = self.root + "/opened"
        self.environment["BROWSER"] = self.script("browser", f'echo "$1" >> {shlex.quote(self.opened)}')

    def __enter__(self):
        self.must("init", "--key", "key-file:" + self.root + "/key", "--no-recovery-code")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def script(self, name, text):
        path = f"{self.root}/bin/{name}"
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o700)
        return path

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def settings(self, name, text):
        """The user's oauth/NAME.yaml."""
        return self.file(f"config_home/vault/oauth/{name}.yaml", text)

    def provider(self, name, text):
        """The user's providers/NAME.yaml."""
        return self.file(f"config_home/vault/providers/{name}.yaml", text)

    def browsers(self):
        """What browsers were started with so far."""
        try:
            with open(self.opened) as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def vault(self, *arguments, stdin="", prefix=(), **environment):
        done = subprocess.run(
            [*prefix, self.program, *arguments], input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment | environment, timeout=PATIENCE, start_new_session=True,
        )
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode
        return Outcome(status, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def must(self, *arguments, **options):
        outcome = self.vault(*arguments, **options)
        if outcome.status != 0:
            raise RuntimeError(f"vault {' '.join(arguments)}: {outcome}")
        return outcome

    def names(self):
        return [entry["name"] for entry in self.must("list", "--json").json["entries"]]

    def start(self, *arguments, **options):
        return Running(self, arguments, **options)

    def login(self, name, server, *arguments, **options):
        """Starts a login at a server; the caller ends it."""
        return self.start("login", name, "--issuer", server.issuer, "--client-id", "public", *arguments, **options)

    def logged_in(self, name, server, *arguments, drive_with=None):
        """Logs in, from the command to its end."""
        running = self.login(name, server, *arguments)
        get(drive(running.url()))
        outcome = running.end()
        if outcome.status != 0:
            raise RuntimeError(f"login {name}: {outcome}")
        return outcome

    def describe(self, name, *facts):
        """Adds hosts (`host=H`) and metadata (`KEY=VALUE`) to an entry."""
        words = []
        for fact in facts:
            words += ["--host", fact.removeprefix("host=")] if fact.startswith("host=") else ["--meta", fact]
        self.must("edit", name, *words)

    @staticmethod
    def hinted(outcome):
        """The arguments of the command that a hint names, as a shell takes them that it is copied into."""
        found = re.search(r"\bvault (?:[^;,]|,(?=\S))*", outcome.hint)
        return shlex.split(found.group().rstrip())[1:] if found else []


class Running:
    """A `vault` that runs; what it writes is read meanwhile, so that a test can wait for it."""

    def __init__(self, home, arguments, terminal=False, stdin=None, prefix=(), **environment):
        command = [*prefix, home.program, *arguments]
        self.shown, self.out = "", ""
        self.changed = threading.Condition()
        self.open = 2
        self.terminal = None
        variables = home.environment | environment
        if terminal:
            self.terminal, inner = pty.openpty()
            # In a session of its own that the terminal controls: Ctrl-C reaches it, and /dev/tty is this one.
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *command], stdin=inner, stdout=subprocess.PIPE, stderr=inner, env=variables
            )
            os.close(inner)
            error = self.terminal
        else:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL if stdin is None else stdin, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=variables, start_new_session=True,
            )
            error = self.process.stderr.fileno()
        for descriptor, name in ((error, "shown"), (self.process.stdout.fileno(), "out")):
            threading.Thread(target=self.read, args=(descriptor, name), daemon=True).start()

    def read(self, descriptor, name):
        data = b""
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:  # EIO: nobody has the terminal open any more
                piece = b""
            with self.changed:
                data += piece
                setattr(self, name, data.decode(errors="replace"))
                self.open -= not piece
                self.changed.notify_all()
            if not piece:
                return

    def wait_for(self, found):
        """Waits until `found` of what was shown is something, and returns it; None where vault ended without."""
        with self.changed:
            self.changed.wait_for(lambda: found(self.shown) or self.open == 0, PATIENCE)
            return found(self.shown)

    def shows(self, text):
        return self.wait_for(lambda shown: text in shown)

    def url(self):
        """The authorization URL, which stands alone on its line."""
        found = self.wait_for(lambda shown: re.search(r"^(https?://\S+)\r?\n", shown, re.M))
        if not found:
            raise RuntimeError(f"no URL was shown: {self.shown}")
        return found.group(1)

    def waiting_url(self):
        """The URL, once the wait has begun and a browser, if one is started, is started."""
        url = self.url()
        self.shows("Waiting for the login")
        return url

    def type(self, text):
        os.write(self.terminal, text.encode())

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        """Waits for its end."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            failures.append("a vault had to be killed")
            print(f"FAIL it did not end: {self.shown}", flush=True)
        with self.changed:
            self.changed.wait_for(lambda: self.open == 0, PATIENCE)
        status = self.process.returncode
        return Outcome(status if status >= 0 else 128 - status, self.out, self.shown)


class Server:
    """One of the servers beside this folder, as a process of its own."""

    running = []

    def __init__(self, script, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(OAUTH, script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )
        Server.running.append(self)
        self.facts = json.loads(self.process.stdout.readline())
        self.issuer = self.facts["issuer"]
        self.base = self.facts.get("base", self.issuer)

    def control(self, **members):
        answer = requests.post(self.base + "/_control", json=members)
        answer.raise_for_status()

    def post(self, path, **members):
        return requests.post(self.base + path, json=members).json()

    def state(self):
        return requests.get(self.base + "/_state").json()

    def log(self, endpoint=None, **values):
        """What it was asked; by endpoint, and by members of the entry."""
        entries = requests.get(self.base + "/_log").json()
        return [
            entry for entry in entries
            if endpoint in (None, entry["endpoint"]) and all(entry.get(name) == value for name, value in values.items())
        ]

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)


def authlib():
    return Server("authorization_server.py")


class Scripted:
    """A server whose every answer the scenario chooses; keeps what it was asked.

    `routes` maps a path to a function of the request that returns (status, body[, headers]); a body that is no text
    becomes JSON.
    """

    def __init__(self, routes, wrap=None):
        self.asked = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = self.rfile.read(length).decode()
                path, _, self.query = self.path.partition("?")
                self.form = {k: v[0] for k, v in urllib.parse.parse_qs(self.body).items()}
                owner.asked.append((self.command, path, self.body, dict(self.headers)))
                found = routes.get(path, lambda _: (404, ""))(self)
                status, body, headers = (*found, {})[:3]
                is_text = isinstance(body, (str, bytes))
                data = body if isinstance(body, bytes) else (body if is_text else json.dumps(body)).encode()
                self.send_response(status)
                headers = {"Content-Type": "text/plain" if is_text else "application/json", **headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.base = self.issuer = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def secure(self, files):
        """From now on behind TLS, with a certificate and its key."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.base = self.issuer = f"https://127.0.0.1:{self.port}"

    def paths(self):
        return [path for _, path, _, _ in self.asked]


def get(url, **options):
    """Asks as a browser does that comes back."""
    return requests.get(url, timeout=PATIENCE, allow_redirects=False, **options)


def query_of(url):
    return {name: values[0] for name, values in urllib.parse.parse_qs(urllib.parse.urlsplit(url).query).items()}


def redirect_of(url):
    return query_of(url)["redirect_uri"]


def port_of(url):
    return urllib.parse.urlsplit(redirect_of(url)).port


def is_closed(port):
    """Whether connecting is refused, on both addresses."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as probe:
            try:
                probe.connect((address, port))
                return False
            except OSError:
                pass
    return True


def free_port():
    return free_ports(1)[0]


def controls(text):
    """What a terminal would act on."""
    return [
        f"{ord(character):04x}" for character in text
        if character not in "\r\n" and unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp")
    ]


def fails(what, outcome, status, *words):
    """Expects an exit code, one error, a hint where one is promised, and nothing on standard output."""
    lines = outcome.err.splitlines()
    holds = (
        outcome.status == status and sum(line.startswith("vault: error: ") for line in lines) == 1
        and (status not in (3, 5) or "vault " in outcome.hint) and all(word in outcome.err for word in words)
        and not controls(outcome.err) and outcome.out == ""
    )
    return expect(f"{what}: exit {status}{''.join(', ' + word for word in words)}", holds, outcome)
