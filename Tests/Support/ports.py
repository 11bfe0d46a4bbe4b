"""Ports of 127.0.0.1 that nobody listens on, and that the kernel gives nobody who does not ask for them.

A port that was free a moment ago is otherwise the next one for an outgoing connection or a listener of another test.
"""

import random
import socket
import sys


def free_ports(count):
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        lowest, _ = map(int, file.read().split())
    held = []
    try:
        # Where the kernel's begin that low, there is no better place than any.
        for port in random.sample(range(10_000, lowest if lowest > 12_000 else 32_000), 1000):
            probe = socket.socket()
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                probe.close()
                continue
            held.append(probe)
            if len(held) == count:
                return [probe.getsockname()[1] for probe in held]
    finally:
        for probe in held:
            probe.close()
    raise OSError("no free ports")


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1])))
