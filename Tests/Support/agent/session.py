#!/usr/bin/env python3
"""A session with the agent, and everything that can happen to one.

  session.py … whole | lost | stopped | versions | rotate | passphrase | starter
"""

import json
import os
import signal
import subprocess
import sys
import time

from agents import (
    PAST, AgentHome, Findings, Server, Timed, agents_of, arguments, fingerprint, read_answer, request, text,
    token_of, until,
)

HERE = os.path.dirname(os.path.abspath(__file__))


def whole(options, findings):
    """Everything that a vault is used for, while no slot can be opened."""
    with Server() as server, AgentHome(options.programs) as home:
        home.make_vault()
        grant = server.grant()
        home.take(grant, endpoint=server.token_endpoint)
        kept = home.file("kept.json", json.dumps({
            "access_token": "at-kept", "token_type": "Bearer", "refresh_token": "rt-kept", "expiry": "2031-01-01T00:00:00Z",
        }).encode())
        home.must("import", kept, "--yes", "--name", "kept", "--token-url", server.token_endpoint, "--client-id", "public", "-q")
        home.must("unlock", "-q")
        home.take_key()

        def ok(*command, stdin=b""):
            outcome = home.vault(*command, "--no-input", stdin=stdin)
            findings.expect(outcome.status == 0, f"vault {' '.join(command)}: {outcome}")
            return outcome

        findings.expect(token_of(ok("token", "g")) == grant.access, "another token")
        refreshed = token_of(ok("token", "g", "--refresh", "-q"))
        findings.expect(fingerprint(refreshed) == server.issued(grant.family)[0], "not the token that was issued")
        ok("set", "static:one", stdin=b"value-one")
        findings.expect(token_of(ok("token", "static:one")) == "value-one", "the secret that was set")
        names = [entry["name"] for entry in json.loads(ok("list", "--json").out)["entries"]]
        findings.expect(sorted(names) == ["oauth:g", "oauth:kept", "static:one"], f"the list: {names}")
        shown = json.loads(ok("show", "g", "--json").out)
        findings.expect(shown["name"] == "oauth:g" and shown["state"] == "active", f"shown: {shown}")
        ok("rename", "static:one", "static:two")
        findings.expect(home.vault("token", "static:one", "--no-input").status == 4, "the old name still works")
        ok("remove", "static:two", "--yes")
        os.unlink(kept)
        ok("adopt", "kept", "--yes")
        adopted = json.loads(ok("show", "kept", "--json").out)
        findings.expect(adopted["state"] == "active", f"adopted: {adopted['state']}")
        ok("logout", "g", "--yes")
        gone = home.vault("show", "g", "--no-input")
        findings.expect(gone.status == 4, f"after the logout: {gone}")
        ok("lock")
        with Timed() as timed:
            locked = home.vault("token", "kept", "--no-input")
        findings.expect(locked.status == 3 and timed.seconds < 1, f"locked, after {timed.seconds:.2f} s: {locked}")
        again = home.vault("unlock", "--no-input")
        findings.expect(again.status == 3, f"unlock without a key: {again}")
        home.give_key()
        home.must("unlock", "-q")
        home.take_key()
        findings.expect(token_of(ok("token", "kept")) == "at-kept", "after the second unlock")
        process = home.agent
        ok("agent", "stop")
        until(lambda: not agents_of(home), "the agent to end")
        findings.expect(not os.path.exists(home.socket), "the socket is still there")
        with Timed() as timed:
            stopped = home.vault("token", "kept", "--no-input")
        findings.expect(stopped.status == 3 and timed.seconds < 1, f"after {process} stopped: {stopped}")
        findings.expect(ok("lock").status == 0 and ok("agent", "stop").status == 0, "nothing to stop is an error")


def lost(options, findings):
    """The agent is killed, or its socket is removed."""
    with AgentHome(options.programs) as home:
        home.make_vault()
        home.must("set", "static:one", stdin=b"value")
        home.must("unlock", "-q")
        home.take_key()
        first = home.agent
        os.kill(first, signal.SIGKILL)
        until(lambda: first not in agents_of(home), "the agent to die")
        findings.expect(os.path.exists(home.socket), "control: a killed agent leaves its socket")
        with Timed() as timed:
            outcome = home.vault("token", "static:one", "--no-input")
        findings.expect(outcome.status == 3 and timed.seconds < 1, f"after kill -9, in {timed.seconds:.2f} s: {outcome}")
        home.give_key()
        home.must("unlock", "-q")
        findings.expect(home.agent != first, "the same process")
        home.take_key()
        findings.expect(token_of(home.vault("token", "static:one")) == "value", "over the stale socket")
        os.unlink(home.socket)
        with Timed() as timed:
            until(lambda: os.path.exists(home.socket), "the socket to come back")
        findings.expect(timed.seconds < 5, f"the socket came back after {timed.seconds:.1f} s")
        outcome = until(lambda: [home.vault("token", "static:one", "--no-input")], "an answer")[0]
        findings.expect(outcome.status == 0 and token_of(outcome) == "value", f"at the new socket: {outcome}")
        home.must("agent", "stop")
        until(lambda: not agents_of(home), "the agent to end")
        home.give_key()
        # Two at once: one agent.
        for _ in range(3):
            both = [home.start("unlock", "--no-input") for _ in range(4)]
            outcomes = [running.end() for running in both]
            findings.expect(all(outcome.status == 0 for outcome in outcomes), f"at once: {[str(o) for o in outcomes]}")
            until(lambda: len(agents_of(home)) == 1, "one agent to be left")
            home.take_key()
            findings.expect(token_of(home.vault("token", "static:one")) == "value", "after many unlocked at once")
            home.give_key()
            home.must("agent", "stop")
            until(lambda: not agents_of(home), "the agent to end")


def stopped(options, findings):
    """An agent that does not move is not waited for."""
    with AgentHome(options.programs) as home:
        home.make_vault()
        home.must("set", "static:one", stdin=b"value")
        home.must("unlock", "-q")
        process = home.agent
        os.kill(process, signal.SIGSTOP)
        for command in (["token", "static:one"], ["list"], ["show", "static:one"]):
            with Timed() as timed:
                outcome = home.vault(*command, "--no-input")
            findings.expect(outcome.status == 0, f"vault {command[0]} falls back: {outcome}")
            findings.expect(timed.seconds < 4, f"vault {command[0]} took {timed.seconds:.1f} s")
            findings.expect("does not answer" in text(outcome), f"vault {command[0]} says nothing: {outcome}")
        home.take_key()
        outcome = home.vault("token", "static:one", "--no-input")
        findings.expect(outcome.status == 3, f"without a key: {outcome}")
        home.give_key()
        for command in (["lock"], ["agent", "stop"]):
            with Timed() as timed:
                outcome = home.vault(*command)
            findings.expect(outcome.status != 0 and timed.seconds < 4, f"{command} in {timed.seconds:.1f} s: {outcome}")
            findings.expect("vault: hint:" in text(outcome), f"{command} gives no hint: {outcome}")
        # What was asked of it meanwhile it does when it goes on.
        os.kill(process, signal.SIGCONT)
        until(lambda: process not in agents_of(home), "the agent to stop as it was told")
        home.must("unlock", "-q")
        home.take_key()
        outcome = home.vault("token", "static:one", "--no-input")
        findings.expect(token_of(outcome) == "value", f"at the next agent: {outcome}")


def versions(options, findings):
    """Agents of another protocol version, without a method, or that speak something else."""
    agents = {
        "another version": '{"jsonrpc":"2.0","id":1,"error":{"code":-32099,"message":"x","data":{"version":"9.9.9","protocol":7}}}\n',
        "no such method": '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x","data":{"version":"9.9.9"}}}\n',
        "not JSON": "SSH-2.0-OpenSSH\n",
        "no answer": '{"jsonrpc":"2.0","id":1}\n',
        "hangs up": "",
    }
    for what, line in agents.items():
        with AgentHome(options.programs) as home:
            home.make_vault()
            home.must("set", "static:one", stdin=b"value")
            os.makedirs(os.path.dirname(home.socket), 0o700)
            steps = home.file("steps", json.dumps([{"read": True}, {"send": line}]).encode())
            stand_in = subprocess.Popen(
                [sys.executable, os.path.join(HERE, "stand-in.py"), home.socket, steps],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            try:
                findings.expect(stand_in.stdout.readline() == b"ready\n", "the stand-in does not listen")
                with Timed() as timed:
                    outcome = home.vault("token", "static:one", "--no-input")
                findings.expect(outcome.status == 0 and token_of(outcome) == "value", f"{what}: the way without it: {outcome}")
                findings.expect(timed.seconds < 3, f"{what}: {timed.seconds:.1f} s")
                if "version" in what or "method" in what:
                    findings.expect("9.9.9" in text(outcome), f"{what}: its version is not named: {outcome}")
                for command in (["lock"], ["unlock"], ["agent", "stop"]):
                    outcome = home.vault(*command, "--no-input")
                    findings.expect(outcome.status not in (0, 1), f"{what}: vault {command[0]}: {outcome}")
                    findings.expect("vault: hint:" in text(outcome), f"{what}: vault {command[0]} gives no hint: {outcome}")
            finally:
                stand_in.stdin.close()
                stand_in.wait()


def rotate(options, findings):
    """A new data key while the agent holds the old one."""
    with AgentHome(options.programs) as home:
        home.make_vault()
        home.must("set", "static:one", stdin=b"value")
        home.must("unlock", "-q")
        home.must("key", "rotate", "--yes", "--no-input")
        home.take_key()
        with Timed() as timed:
            outcome = home.vault("token", "static:one", "--no-input")
        findings.expect(outcome.status == 3 and timed.seconds < 2, f"after the rotation, {timed.seconds:.1f} s: {outcome}")
        held = home.call("status", vault=home.vault_directory)["result"]
        findings.expect(held["holds"] is False and held["vaults"] == [], f"it still holds the old key: {held}")
        home.give_key()
        home.must("unlock", "-q")
        home.take_key()
        findings.expect(token_of(home.vault("token", "static:one", "--no-input")) == "value", "after the next unlock")


def passphrase(options, findings):
    """Unlocked by a passphrase from a file, which neither a variable nor a word of the agent tells."""
    with AgentHome(options.programs) as home:
        file = home.file("passphrase", b"correct horse battery\n")
        key = ["--passphrase-file", file]
        home.must("init", "--key", "passphrase", "--kdf", "interactive", "--no-recovery-code", "--no-input", *key)
        home.must("set", "static:one", *key, stdin=b"value")
        wrong = home.file("wrong", b"wrong\n")
        outcome = home.vault("unlock", "--passphrase-file", wrong, "--no-input")
        findings.expect(outcome.status not in (0, 1), f"a wrong passphrase: {outcome}")
        home.must("unlock", "--lifetime", "8h", "--idle", "1h", *key)
        os.unlink(file)
        findings.expect(token_of(home.vault("token", "static:one", "--no-input")) == "value", "without the file")
        held = home.call("status")["result"]["vaults"]
        findings.expect(len(held) == 1 and held[0]["idle_seconds"] == 3600 and held[0]["locks_at"], f"its limits: {held}")
        with open(f"/proc/{home.agent}/environ", "rb") as environ, open(f"/proc/{home.agent}/cmdline", "rb") as words:
            findings.expect(b"correct horse" not in environ.read() + words.read(), "the agent was told the passphrase")
        home.must("lock")
        findings.expect(home.vault("token", "static:one", "--no-input").status == 3, "locked")


def starter(options, findings):
    """Whoever reads what `vault unlock` prints sees its end, and the agent is in a session of its own."""
    with AgentHome(options.programs) as home:
        home.make_vault()
        program = os.path.join(home.programs, "vault")
        # A descriptor that is left open on purpose, as careless starters do.
        read, write = os.pipe()
        os.set_inheritable(write, True)
        with Timed() as timed:
            done = subprocess.run(
                ["sh", "-c", f"'{program}' unlock 2>&1 | cat"], env=home.environment, cwd=home.root, capture_output=True,
                timeout=60, pass_fds=[write],
            )
        os.close(write)
        findings.expect(done.returncode == 0 and b"unlocked" in done.stdout, f"piped: {done}")
        findings.expect(timed.seconds < 20, f"it took {timed.seconds:.1f} s")
        findings.expect(os.read(read, 1) == b"", "the agent holds a descriptor of its starter's")
        process = home.agent
        findings.expect(os.getsid(process) == process, "the agent is in the session of its starter")
        findings.expect(os.readlink(f"/proc/{process}/cwd") == "/", "the agent keeps a directory busy")
        for number in (0, 1, 2):
            target = os.readlink(f"/proc/{process}/fd/{number}")
            findings.expect(target == "/dev/null", f"its descriptor {number} is {target}")
        findings.expect(os.stat(home.socket).st_mode & 0o777 == 0o600, "others may connect")
        findings.expect(os.stat(os.path.dirname(home.socket)).st_mode & 0o777 == 0o700, "others may look")
        second = home.vault("agent", "run")
        findings.expect(second.status not in (0, 3) and "another agent runs" in text(second), f"a second agent: {second}")
        # Requests that are sent all at once are answered one after the other.
        with home.connect() as connection:
            connection.sendall(b"".join(request("status", number) for number in range(300)))
            lines = connection.makefile("rb")
            got = [read_answer(lines)["id"] for _ in range(300)]
        findings.expect(got == list(range(300)), "answers are missing or out of order")
        for number in (signal.SIGTERM, signal.SIGINT):
            process = home.agent
            os.kill(process, number)
            until(lambda: process not in agents_of(home), f"signal {number} to end the agent")
            findings.expect(not os.path.exists(home.socket), f"after signal {number} the socket is there")
            home.must("unlock", "-q")


def main():
    options = arguments("what")
    findings = Findings()
    begin = time.monotonic()
    parts = {
        "whole": whole, "lost": lost, "stopped": stopped, "versions": versions, "rotate": rotate,
        "passphrase": passphrase, "starter": starter,
    }
    parts[options.what](options, findings)
    findings.finish(f"{options.what} in {time.monotonic() - begin:.1f} s")


main()
