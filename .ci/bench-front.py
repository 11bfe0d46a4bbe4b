"""Times a token through the agent beside other programs that have a secret at hand, in turns.

  bench-front.py VAULT VAULT-DIRECTORY [AGENT-SOCKET]

The vault has `static:example` and opens with the key file beside it, which is out of the way while the times are
taken: so the token can only be the agent's. Without a socket `vault unlock` starts the agent. `oidc-token` asks an
oidc-agent whose account is at the authorization server of the tests; its access token is valid throughout.
"""

import base64
import hashlib
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Support", "refresh"))
sys.dont_write_bytecode = True

from refreshing import SUPPORT, Peer, NO_PROXY  # noqa: E402

ROUNDS = 300
REDIRECT = "http://127.0.0.1:8765/callback"


def post(url, fields, headers=()):
    request = urllib.request.Request(url, urllib.parse.urlencode(fields).encode(), dict(headers))
    with NO_PROXY.open(request) as answer:
        return json.load(answer)


def refresh_token(server, python):
    """A client of its own, and a grant for it."""
    client = server.ask(
        "/register", {"client_name": "bench", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_basic",
                      "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
                      "scope": "openid offline_access read"}
    )
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = urllib.parse.urlencode({
        "response_type": "code", "client_id": client["client_id"], "redirect_uri": REDIRECT, "state": "state",
        "scope": "openid offline_access read", "code_challenge": challenge, "code_challenge_method": "S256",
    })
    url = f"{server.facts['authorization_endpoint']}?{query}"
    login = subprocess.run([python, os.path.join(SUPPORT, "oauth", "drive_login.py"), url], check=True, stdout=subprocess.PIPE, text=True)
    code = urllib.parse.parse_qs(urllib.parse.urlsplit(login.stdout.strip()).query)["code"][0]
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    answer = post(
        server.facts["token_endpoint"],
        {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": verifier},
        {"Authorization": "Basic " + basic},
    )
    return client, answer["refresh_token"]


def oidc_agent(server):
    """Starts one, and returns what it says of itself, and whether it has an account."""
    environment = os.path.join(SUPPORT, "oauth", "environment")
    python = subprocess.run([environment], check=True, stdout=subprocess.PIPE, text=True).stdout.strip() + "/bin/python"
    client, refresh = refresh_token(server, python)
    os.environ["OIDC_CONFIG_DIR"] = os.environ["HOME"] + "/oidc-agent"
    os.makedirs(os.environ["OIDC_CONFIG_DIR"], 0o700)
    started = json.loads(subprocess.run(["oidc-agent", "--json"], check=True, stdout=subprocess.PIPE).stdout)
    os.environ["OIDC_SOCK"] = started["socket"]
    made = subprocess.run(
        ["oidc-gen", "--manual", "--iss=" + server.facts["issuer"], "--client-id=" + client["client_id"],
         "--client-secret=" + client["client_secret"], "--scope=openid offline_access read", "--rt=" + refresh,
         "--redirect-uri=http://localhost:8765", "--flow=refresh", "--no-save", "--confirm-default", "--prompt=none",
         "--no-url-call", "bench"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if made.returncode != 0:
        print(f"oidc-gen: {made.stdout.strip()}", file=sys.stderr)
    return started, made.returncode == 0


def measured(commands):
    times = {name: [] for name in commands}
    actions = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    for _ in range(ROUNDS):
        for name, command in commands.items():
            start = time.perf_counter()
            process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
            status = os.waitpid(process, 0)[1]
            times[name].append((time.perf_counter() - start) * 1000)
            assert status == 0, command
    return times


def main():
    vault, directory = sys.argv[1:3]
    token = [vault, "--vault", directory, "token", "static:example"]
    commands = {}
    if shutil.which("cc"):
        hello = os.environ["HOME"] + "/hello"
        source = '#include <stdio.h>\nint main(void) { puts("hi"); }\n'
        subprocess.run(["cc", "-O2", "-x", "c", "-", "-o", hello], input=source, text=True, check=True)
        commands['C, puts("hi")'] = [hello]
    commands["vault token, agent"] = token
    commands["secret-tool lookup"] = [shutil.which("secret-tool"), "lookup", "application", "vault-bench"]
    if len(sys.argv) > 3:
        os.environ["VAULT_AGENT_SOCK"] = sys.argv[3]
    else:
        subprocess.run([vault, "--vault", directory, "unlock", "--no-input", "-q"], check=True)
    key = os.environ["HOME"] + "/key"
    os.rename(key, key + ".away")
    peer = None
    try:
        with Peer("authorization_server.py") as server:
            if shutil.which("oidc-token"):
                peer, has_account = oidc_agent(server)
                if has_account:
                    commands["oidc-token"] = [shutil.which("oidc-token"), "bench"]
            times = measured(commands)
    finally:
        os.rename(key + ".away", key)
        if len(sys.argv) <= 3:
            subprocess.run([vault, "agent", "stop"], check=False)
        if peer:
            os.kill(int(peer["dpid"]), 15)
            shutil.rmtree(os.path.dirname(peer["socket"]), ignore_errors=True)
    yardstick = statistics.median(times["secret-tool lookup"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:32} {median:.2f} ms  ({min(values):.2f} to {max(values):.2f}), {median / yardstick:.2f} of secret-tool")


main()
