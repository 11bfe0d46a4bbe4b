#!/usr/bin/env python3
"""git, with `vault helper git`, at servers that take the tokens of a login."""
import base64

from place import *


class Forge:
    """Repositories behind git's own http-backend; who asks must present a token that the authorization server takes."""

    def __init__(self, home, authority):
        self.root = os.path.join(home.root, "repositories")
        self.authority = authority
        self.presented = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                scheme, _, given = (self.headers.get("Authorization") or "").partition(" ")
                user, _, token = base64.b64decode(given).decode().partition(":") if scheme == "Basic" else ("", "", "")
                if token:
                    owner.presented.append((user, token))
                if not token or not requests.get(authority.facts["resource"],
                                                 headers={"Authorization": f"Bearer {token}"}).ok:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", 'Basic realm="forge"')
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                path, _, query = self.path.partition("?")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                done = subprocess.run(
                    ["git", "http-backend"], input=body, capture_output=True, timeout=PATIENCE,
                    env={"PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": owner.root, "GIT_HTTP_EXPORT_ALL": "1",
                         "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_USER": user,
                         "CONTENT_TYPE": self.headers.get("Content-Type") or "", "CONTENT_LENGTH": str(len(body)),
                         "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                         "GIT_CONFIG_NOSYSTEM": "1", "HOME": home.environment["HOME"]})
                head, _, body = done.stdout.partition(b"\r\n\r\n")
                fields = [line.partition(": ")[::2] for line in head.decode().splitlines()]
                self.send_response(int(next((value for name, value in fields if name == "Status"), "200").split()[0]))
                for name, value in fields:
                    if name != "Status":
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}/project.git"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Git:
    """git in a home, with a helper of ours and nobody to ask."""

    def __init__(self, home):
        self.home = home
        self.environment = home.environment | {
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org"}

    def run(self, *arguments):
        done = subprocess.run(["git", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=PATIENCE, cwd=self.home.root, start_new_session=True)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def must(self, *arguments):
        outcome = self.run(*arguments)
        if outcome.status != 0:
            raise RuntimeError(f"git {' '.join(arguments)}: {outcome}")
        return outcome

    def helper(self, url, *options):
        """Makes ours the helper of a server."""
        command = "!" + shlex.join([self.home.program, "helper", "git", *options])
        self.must("config", "--global", f"credential.{url}.helper", command)


def repository(home, git):
    """A bare repository with one commit."""
    git.must("init", "-q", "-b", "main", "work")
    home.file("work/file", "text\n")
    git.must("-C", "work", "add", "file")
    git.must("-C", "work", "commit", "-q", "-m", "one")
    git.must("clone", "-q", "--bare", "work", "repositories/project.git")
    git.must("-C", "repositories/project.git", "config", "http.receivepack", "true")


def clones():
    """clone and push by a token; a token that the server refuses is refreshed once, and git is served again."""
    tool("git")
    server = authlib()
    with Home() as home:
        git = Git(home)
        repository(home, git)
        forge = Forge(home, server)
        home.logged_in("forge", server)
        expect("without a helper git is refused", git.run("ls-remote", forge.url).status != 0)
        git.helper(f"http://{forge.host}", "--name", "forge")
        outcome = git.run("ls-remote", forge.url)
        expect("an entry that names no host is given to none", outcome.status != 0 and "vault edit oauth:forge --host " + forge.host in outcome.err
               and not forge.presented, outcome, forge.presented)
        home.describe("forge", "host=" + forge.host)
        outcome = git.run("clone", "-q", forge.url, "copy")
        token = home.must("token", "forge").out.strip()
        expect("cloned", outcome.status == 0 and os.path.exists(home.root + "/copy/file"), outcome)
        expect("with the token", {given for _, given in forge.presented} == {token}, forge.presented)
        home.file("copy/file", "other\n")
        git.must("-C", "copy", "commit", "-q", "-a", "-m", "two")
        expect("and pushed", git.run("-C", "copy", "push", "-q", "origin", "main").status == 0)
        kept = git.must("config", "--global", "--list").out + open(home.root + "/copy/.git/config").read()
        expect("the token is in no file of git's", token not in kept)

        forge.presented.clear()
        requests.post(server.base + "/_expire")
        outcome = git.run("ls-remote", forge.url)
        refreshes = server.log("token", grant_type="refresh_token")
        expect("a token that has died is refused", outcome.status != 0 and len(forge.presented) >= 1, outcome)
        expect("and refreshed once", len(refreshes) == 1, refreshes, outcome)
        outcome = git.run("ls-remote", forge.url)
        expect("the next git is served", outcome.status == 0 and "refs/heads/main" in outcome.out, outcome)
        expect("by another token", forge.presented[-1][1] not in ("", token))
        expect("without a further refresh", len(server.log("token", grant_type="refresh_token")) == 1)


def strangers():
    """Another port, name or scheme gets nothing, and neither does anybody where two entries would do."""
    tool("git")
    server = authlib()
    with Home() as home:
        git = Git(home)
        repository(home, git)
        forge, other = Forge(home, server), Forge(home, server)
        home.logged_in("forge", server)
        home.describe("forge", "host=" + forge.host, "host=git.example.com", "host=github.com", "host=gitlab.com",
                      "host=bitbucket.org", "host=*.example.net")
        git.helper(f"http://{forge.host}")
        git.helper(f"http://{other.host}")
        outcome = git.run("ls-remote", other.url)
        expect("another port gets no token", outcome.status != 0 and other.presented == [], outcome, other.presented)
        outcome = git.run("ls-remote", forge.url)
        expect("the entry's own host gets it, without --name", outcome.status == 0, outcome)

        def asked(*lines, options=()):
            return home.vault("helper", "git", *options, "get", stdin="".join(line + "\n" for line in lines))

        token = home.must("token", "forge").out.strip()
        for host in ("git.example.com", "GIT.example.com", "git.example.com:443"):
            outcome = asked("protocol=https", "host=" + host, "path=x.git", "wwwauth[]=Basic realm=\"\tx\"",
                            "capability[]=authtype", "unheard=of", "")
            expect(f"{host} is the entry's", f"password={token}\n" in outcome.out and "username=" in outcome.out
                   and re.search(r"^password_expiry_utc=\d{10}$", outcome.out, re.M), outcome)
        for host, name in (("github.com", "x-access-token"), ("gitlab.com", "oauth2"), ("bitbucket.org", "x-token-auth")):
            outcome = asked("protocol=https", "host=" + host)
            expect(f"the user name of {host}", outcome.out.startswith(f"username={name}\n"), outcome)
        outcome = asked("protocol=https", "host=github.com", "username=me")
        expect("a user name that git was given", outcome.out.startswith("username=me\n"), outcome)
        for host in ("git.example.com.evil.org", "evilgit.example.com", "git.example.com:8443", "git.example.com.",
                     "example.com", "a.git.example.com", "me@git.example.com", "git.example.com@evil.org",
                     "git.example.com/..", "git.example.com?x", "git.example.com#x", "git.example.com\\@evil.org",
                     "g\u0456t.example.com", "xn--gt-0va.example.com", "a.example.net", "*.example.net", "[::1]", ""):
            outcome = asked("protocol=https", "host=" + host, options=("--name", "forge"))
            expect(f"{host!r} gets nothing", outcome.status == 0 and outcome.out == "" and token not in outcome.err
                   and not controls(outcome.err), outcome)
        for scheme in ("http", "ssh", "HTTPS ", "ftp", "cert"):
            outcome = asked(f"protocol={scheme}", "host=git.example.com")
            expect(f"{scheme} gets nothing", outcome.status == 0 and outcome.out == "", outcome)
        for operation in ("store", "capability", "unheard-of"):
            outcome = home.vault("helper", "git", operation, stdin="protocol=https\nhost=git.example.com\n\n")
            expect(f"{operation} is ignored", outcome.status == 0 and outcome.out == "" and outcome.err == "", outcome)

        home.describe("forge", "git_username=robot")
        expect("the entry's user name", asked("protocol=https", "host=git.example.com").out.startswith("username=robot\n"))
        outcome = asked("protocol=https", "host=git.example.com", "username=me")
        expect("is nobody else's", outcome.out == "" and outcome.status == 0, outcome)
        refreshes = len(server.log("token", grant_type="refresh_token"))
        home.must("helper", "git", "erase", stdin="protocol=https\nhost=git.example.com\npassword=another\n\n")
        expect("a password of somebody else's renews nothing",
               len(server.log("token", grant_type="refresh_token")) == refreshes)

        home.logged_in("second", server)
        home.describe("second", "host=git.example.com")
        outcome = asked("protocol=https", "host=git.example.com")
        expect("two entries: none is guessed", outcome.out == "" and outcome.status == 0
               and "oauth:forge" in outcome.err and "oauth:second" in outcome.err, outcome)


if __name__ == "__main__":
    main(clones, strangers)
