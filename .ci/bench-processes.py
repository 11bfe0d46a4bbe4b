"""Times whole processes side by side, in turns, so that what disturbs one disturbs all."""

import os
import statistics
import subprocess
import sys
import time

vault = sys.argv[1]
commands = {
    "secret-tool lookup": ["secret-tool", "lookup", "application", "vault-bench"],
    "vault token, keyring slot": [vault, "token", "static:example"],
    "vault token, key-file slot": [vault, "--vault", os.environ["HOME"] + "/file", "token", "static:example"],
    "vault --version": [vault, "--version"],
}
times = {name: [] for name in commands}
for _ in range(40):
    for name, command in commands.items():
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times[name].append((time.perf_counter() - start) * 1000)

peer = statistics.median(times["secret-tool lookup"])
for name, values in times.items():
    median = statistics.median(values)
    print(f"{name:32} {median:.1f} ms  ({min(values):.1f} to {max(values):.1f}), {median / peer:.2f} of secret-tool")
