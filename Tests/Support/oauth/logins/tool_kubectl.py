#!/usr/bin/env python3
"""kubectl, with `vault helper kubectl`, at a stand-in of an API server that takes the id tokens of a login."""
import base64
import datetime

from place import *

from authority import Authority

V1, BETA = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def info(version=V1, interactive=False, **spec):
    return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": {"interactive": interactive, **spec}})


def expiry(token):
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return datetime.datetime.fromtimestamp(claims["exp"], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def kubectl():
    """The real one: the API server gets the id token, and another one after it answers 401."""
    program = tool("kubectl")
    server = authlib()
    with Home() as home:
        home.logged_in("cluster", server, "--scope", "openid", "--scope", "offline_access")
        taken = []

        def version(request):
            given = request.headers.get("Authorization") or ""
            taken.append(given)
            if given != "Bearer " + home.must("token", "cluster", "--id-token").out.strip():
                return 401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized",
                             "code": 401}
            return 200, {"major": "1", "minor": "32", "gitVersion": "v1.32.0"}

        api = Scripted({"/version": version, "/api/hello": version})
        authority = Authority(home.root)
        api.secure(authority.issue("127.0.0.1"))
        for number, kind in enumerate((V1, BETA)):
            configuration = home.file(f"kube-{number}", json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "x",
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                "clusters": [{"name": "x", "cluster": {"server": api.base, "certificate-authority": authority.file}}],
                "users": [{"name": "x", "user": {"exec": {
                    "apiVersion": kind, "command": home.program, "args": ["helper", "kubectl", "cluster"],
                    "interactiveMode": "IfAvailable", "provideClusterInfo": True}}}]}))
            done = subprocess.run(
                [program, "--kubeconfig", configuration, "get", "--raw", "/api/hello"],
                env=home.environment, capture_output=True, text=True, timeout=PATIENCE, start_new_session=True)
            expect(f"served by {kind}", done.returncode == 0 and '"v1.32.0"' in done.stdout,
                   done.stdout, done.stderr, taken)
        expect("with the id token, and nothing else", taken and all(given.count(".") == 2 for given in taken), taken)


def tokens():
    """What is printed, when it is another one, and what of the question counts."""
    server = authlib()
    with Home() as home:
        home.logged_in("cluster", server, "--scope", "openid", "--scope", "offline_access")

        def ask(*options, asked=None):
            extra = {} if asked is None else {"KUBERNETES_EXEC_INFO": asked}
            return home.vault("helper", "kubectl", "cluster", *options, **extra)

        first = home.must("token", "cluster", "--id-token").out.strip()
        for version in (V1, BETA):
            outcome = ask(asked=info(version))
            expect(version, outcome.status == 0 and outcome.json == {
                "apiVersion": version, "kind": "ExecCredential",
                "status": {"token": first, "expirationTimestamp": expiry(first)}}, outcome)
        expect("without a question", ask().json["apiVersion"] == V1)
        access = ask("--access-token").json["status"]
        expect("the access token", access["token"] == home.must("token", "cluster").out.strip()
               and access["expirationTimestamp"] == home.must("token", "cluster", "--json").json["expires_at"], access)

        outcome = ask(asked=info(cluster={"server": "https://elsewhere.example.com"}))
        expect("an entry without hosts is for any cluster", outcome.status == 0, outcome)
        home.describe("cluster", "host=api.example.com")
        expect("its own cluster", ask(asked=info(cluster={"server": "https://api.example.com:443/k"})).status == 0)
        for url in ("https://api.example.com.evil.org", "https://api.example.com:6443", "http://api.example.com", "x"):
            fails(f"cluster {url}", ask(asked=info(cluster={"server": url})), 10)

        server.control(id_token_lifetime=3)
        home.must("token", "cluster", "--refresh")
        short = home.must("token", "cluster", "--id-token").out.strip()
        server.control(id_token_lifetime=3600)
        deadline = time.monotonic() + PATIENCE
        while ask().json["status"]["token"] == short and time.monotonic() < deadline:
            pass
        token = ask().json["status"]["token"]
        expect("another id token once it runs out, though the access token lives", token not in (first, short))
        before = len(server.log("token", grant_type="refresh_token"))
        expect("kept from then on", ask().json["status"]["token"] == token
               and len(server.log("token", grant_type="refresh_token")) == before)

        home.logged_in("plain", server, "--scope", "files.read")
        fails("no id token", home.vault("helper", "kubectl", "plain"), 4, "--scope openid")
        fails("no entry", home.vault("helper", "kubectl", "nobody"), 4)
        locked = {"KUBERNETES_EXEC_INFO": info(interactive=False)}
        home.must("key", "add", "passphrase", "--kdf", "interactive", "--passphrase-file", home.file("p", "sesame\n"))
        os.rename(home.root + "/key", home.root + "/key.away")
        running = home.start("helper", "kubectl", "cluster", terminal=True, **locked)
        outcome = running.end()
        expect("never asks where kubectl says so",
               outcome.status == 3 and "Passphrase" not in outcome.err.split("error")[0], outcome)


if __name__ == "__main__":
    main(kubectl, tokens)
