#!/usr/bin/env python3
"""docker's credential helper protocol, as docker speaks it."""
import base64

from place import *

from authority import Authority


def helper():
    """get, list, store and erase, under the name by which docker starts it."""
    server = authlib()
    with Home() as home:
        home.logged_in("registry", server)
        home.describe("registry", "host=registry.example.com", "host=index.docker.io", "host=localhost:5000")
        program = home.root + "/bin/docker-credential-vault"
        os.symlink(home.program, program)
        token = home.must("token", "registry").out.strip()

        def ask(operation, stdin=""):
            done = subprocess.run([program, operation], input=stdin.encode(), capture_output=True, timeout=PATIENCE,
                                  env=home.environment, start_new_session=True)
            return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

        for url in ("registry.example.com", "https://registry.example.com", "https://index.docker.io/v1/",
                    "https://registry.example.com:443/v2/", "localhost:5000", "http://localhost:5000",
                    "REGISTRY.example.com\n"):
            outcome = ask("get", url)
            expect(f"{url!r} is served", outcome.status == 0 and outcome.json == {
                "ServerURL": url.strip(), "Username": "oauth2accesstoken", "Secret": token}, outcome)
        outcome = ask("list")
        expect("list", outcome.status == 0 and outcome.json == {
            f"https://{host}": "oauth2accesstoken"
            for host in ("registry.example.com", "index.docker.io", "localhost:5000")}, outcome)
        for url in ("registry.example.com.evil.org", "registry.example.com:5000", "registry.example.com.",
                    "https://me@registry.example.com", "http://registry.example.com", "https://evil/registry.example.com",
                    "reg\u0456stry.example.com", "https://registry.example.com\\@evil", "example.com", "file:///etc/passwd",
                    "", "\n", "a\nb", "registry.example.com\r\nx", "a\0b", "\x1b[2J", "x" * 5000):
            outcome = ask("get", url)
            expect(f"{url[:40]!r} gets nothing", outcome.status != 0 and token not in outcome.out + outcome.err
                   and outcome.out.count("\n") == 1 and not controls(outcome.out + outcome.err), outcome)
        outcome = ask("get", "unknown.example.com")
        expect("what docker knows as: none", outcome.status == 1
               and outcome.out == "credentials not found in native keychain\n", outcome)
        outcome = ask("store", json.dumps({"ServerURL": "https://x.example.com", "Username": "u", "Secret": "hush"}))
        expect("store is refused", outcome.status == 1 and "nothing was stored" in outcome.out
               and "hush" not in outcome.out + outcome.err and home.names() == ["oauth:registry"], outcome)
        outcome = ask("erase", "registry.example.com")
        expect("erase deletes nothing", outcome.status == 0 and home.names() == ["oauth:registry"], outcome)
        expect("an operation of another version", ask("version").status == 64)
        home.describe("registry", "docker_username=<token>")
        expect("an identity token", ask("get", "registry.example.com").json["Username"] == "<token>")


def docker():
    """The client itself asks the helper before it asks a registry."""
    client = tool("docker")
    server = authlib()
    with Home() as home:
        home.logged_in("registry", server)
        os.symlink(home.program, home.root + "/bin/docker-credential-vault")
        token = home.must("token", "registry").out.strip()
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                    "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 2,
                               "digest": "sha256:" + "0" * 64}, "layers": []}
        seen = []

        def authorized(request):
            given = request.headers.get("Authorization") or ""
            seen.append(given)
            return given.startswith("Basic ")

        def version(request):
            if not authorized(request):
                return 401, "", {"WWW-Authenticate": 'Basic realm="registry"'}
            return 200, {}, {"Docker-Distribution-Api-Version": "registry/2.0"}

        def image(request):
            if not authorized(request):
                return 401, "", {"WWW-Authenticate": 'Basic realm="registry"'}
            return 200, json.dumps(manifest), {"Content-Type": manifest["mediaType"]}

        registry = Scripted({"/v2/": version, "/v2/project/manifests/latest": image})
        registry.secure(Authority(home.root).issue("127.0.0.1"))
        home.describe("registry", f"host=127.0.0.1:{registry.port}")
        home.file("docker/config.json", json.dumps({"credsStore": "vault"}))
        environment = home.environment | {"PATH": home.root + "/bin:" + home.environment["PATH"]}
        done = subprocess.run(
            [client, "--config", home.root + "/docker", "manifest", "inspect", "--insecure",
             f"127.0.0.1:{registry.port}/project:latest"],
            env=environment, capture_output=True, text=True, timeout=PATIENCE, start_new_session=True)
        basic = "Basic " + base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()
        expect("docker sent the token to the registry", basic in seen, seen, done.stdout, done.stderr)


if __name__ == "__main__":
    main(helper, docker)
