#!/usr/bin/env python3
"""Times a scan and an import of many token files beside reading them with find and cat.

    .ci/bench-import.py VAULT-PROGRAM [COUNT]

Everything lies in a home of its own on a tmpfs, gone at the end. Judges nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time


def files(home, count):
    """Token files of several formats, no two with the same token."""
    for i in range(count):
        access, refresh = f"at-EXAMPLE-{i}", f"rt-EXAMPLE-{i}"
        kinds = [
            ("token.json", {"access_token": access, "refresh_token": refresh, "expiry": "2030-01-01T00:00:00Z"}),
            ("auth.json", {"OPENAI_API_KEY": None, "tokens": {"id_token": "a.e30.b", "access_token": access,
                                                              "refresh_token": refresh, "account_id": str(i)}}),
            (".credentials.json", {"claudeAiOauth": {"accessToken": access, "refreshToken": refresh,
                                                     "expiresAt": 1893456000000, "scopes": []}}),
            ("t.json", {"access_token": access, "token_type": "Bearer", "expires_at": 1893456000}),
        ]
        name, content = kinds[i % len(kinds)]
        directory = f"{home}/tokens/{i // 100}/{i}"
        os.makedirs(directory)
        with open(os.open(f"{directory}/{name}", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            json.dump(content, file)


def timed(what, command, environment):
    """Runs it and prints its wall time and the most memory it had (ru_maxrss is VmHWM)."""
    start = time.monotonic()
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    notes = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    took = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    print(f"{what:32} {took:8.2f} s  {usage.ru_maxrss / 1024:7.1f} MiB  exit {child.returncode}")
    if child.returncode:
        print("   ", notes.decode(errors="replace")[-300:].strip())
    return took


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    home = tempfile.mkdtemp(dir="/dev/shm")
    environment = {"HOME": home, "PATH": os.environ["PATH"], "VAULT_DIR": home + "/vault", "XDG_RUNTIME_DIR": home}
    try:
        files(home, count)
        subprocess.run([program, "init", "--key", f"key-file:{home}/key", "--no-recovery-code", "--no-input", "-q"],
                       env=environment, check=True)
        tokens = home + "/tokens"
        read = timed("find -exec cat {} +", ["find", tokens, "-type", "f", "-exec", "cat", "{}", "+"], environment)
        one = timed("find -exec cat {} ;", ["find", tokens, "-type", "f", "-exec", "cat", "{}", ";"], environment)
        steps = [("scan", ["--dry-run"]), ("import", ["--yes"]), ("import again", ["--yes"])]
        for what, options in steps:
            took = timed(f"{what} of {count}", [program, "import", "--scan", tokens, "-q", *options], environment)
            print(f"{'':32} {took / read:8.1f} times cat {{}} +, {took / one:.2f} times cat {{}} ;")
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
