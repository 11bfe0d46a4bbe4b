"""A network of one machine with global and private addresses, in a namespace of its own; and what is sent on it."""
import fcntl
import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

LO = b"lo"


def enter(*addresses, is_needed=True):
    """Starts the script again in namespaces of its own, where `lo` has these; ends with 77 where the machine allows none,
    or goes on where it is not needed.

    Before anything is imported that looks at what the network can do, as urllib3 does.
    """
    if os.environ.get("VAULT_TEST_NETWORK") == "own":
        # From here nothing gets out; what the tests' environment sets against that is in the way.
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
            os.environ.pop(name, None)
        return address_lo(*addresses)
    unshare = ["unshare", "--net", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"])]
    if shutil.which("unshare") is None or subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        if not is_needed:
            return
        print("skipped: no network namespace can be made here")
        sys.exit(77)
    os.environ["VAULT_TEST_NETWORK"] = "own"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def is_global(text):
    return ipaddress.ip_address(text).is_global


def address_lo(*addresses):
    """Gives `lo` these addresses and brings it up. ioctl(2), because iproute2 need not be there."""
    index = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        up = struct.pack("16sH14s", LO, 0x1 | 0x8, b"")  # IFF_UP | IFF_LOOPBACK
        fcntl.ioctl(four, 0x8914, up)  # SIOCSIFFLAGS
        for number, address in enumerate(addresses):
            if ":" in address:
                # struct in6_ifreq: address, prefix, interface.
                fcntl.ioctl(six, 0x8916, socket.inet_pton(socket.AF_INET6, address) + struct.pack("=Ii", 128, index))
                continue
            alias = LO + b":%d" % number
            for request, text in ((0x8916, address), (0x891C, "255.255.255.255")):  # SIOCSIFADDR, SIOCSIFNETMASK
                packed = struct.pack("HH4s8s", socket.AF_INET, 0, socket.inet_aton(text), b"")
                fcntl.ioctl(four, request, struct.pack("16s16s", alias, packed) + b"\0" * 8)


def resolve_here():
    """Has every resolver of this mount namespace ask 127.0.0.1, and nothing but /etc/hosts before it."""
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n",
             "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
             "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n"}
    for path, text in files.items():
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            # The mount keeps the file when its name is gone, and goes with the namespace.
            subprocess.run(["mount", "--bind", file.name, os.path.realpath(path)], check=True)


class Names:
    """A DNS server on 127.0.0.1 whose answers a test sets: a list of addresses for each time that a name is looked up."""

    TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}

    def __init__(self):
        self.names, self.counts, self.lock = {}, {}, threading.Lock()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def set(self, name, *lookups):
        """The first lookup has the first list, and so on; the last stays."""
        with self.lock:
            self.names[name] = lookups
            self.counts = {key: count for key, count in self.counts.items() if key[0] != name}

    def lookups(self, name):
        """How often it was looked up."""
        with self.lock:
            return max([count for key, count in self.counts.items() if key[0] == name], default=0)

    def serve(self):
        while True:
            query, sender = self.socket.recvfrom(4096)
            try:
                self.socket.sendto(self.answer(query), sender)
            except (IndexError, struct.error, UnicodeDecodeError):
                pass  # Nothing that a resolver of this machine sends.

    def answer(self, query):
        labels, place = [], 12
        while length := query[place]:
            labels.append(query[place + 1:place + 1 + length].decode())
            place += 1 + length
        question = query[12:place + 5]
        kind, = struct.unpack("!H", query[place + 1:place + 3])
        name = ".".join(labels).lower()
        with self.lock:
            lookups = self.names.get(name)
            count = self.counts[name, kind] = self.counts.get((name, kind), 0) + 1
        found = lookups[min(count, len(lookups)) - 1] if lookups else []
        family = self.TYPES.get(kind)
        data = [socket.inet_pton(family, address) for address in found
                if family and (":" in address) == (family == socket.AF_INET6)]
        # Name compressed to the question's, class IN, no time to live: nobody keeps it.
        records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(item)) + item for item in data)
        # An answer, authoritative, recursion as asked and available; 3 is a name that does not exist.
        flags = 0x8580 | (0 if lookups else 3)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(data), 0, 0) + question + records


class Sniffer:
    """Every TCP connection and UDP packet that anybody on `lo` begins, whether or not somebody answers."""

    MARK = ("udp", "127.0.0.1", 9)

    def __init__(self):
        self.seen, self.changed = [], threading.Condition()
        # ETH_P_ALL; without the link's header.
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.socket.bind(("lo", 0))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            packet = self.socket.recv(65535)
            if beginning := self.beginning(packet):
                with self.changed:
                    self.seen.append(beginning)
                    self.changed.notify_all()

    @staticmethod
    def beginning(packet):
        if packet[0] >> 4 == 4:
            family, protocol, target, rest = socket.AF_INET, packet[9], packet[16:20], packet[(packet[0] & 15) * 4:]
        else:
            family, protocol, target, rest = socket.AF_INET6, packet[6], packet[24:40], packet[40:]
        address = socket.inet_ntop(family, target)
        if protocol not in (6, 17):
            return None if protocol in (1, 58) else (f"protocol {protocol}", address, 0)
        port, = struct.unpack("!H", rest[2:4])
        if protocol == 6:
            # SYN without ACK.
            return ("tcp", address, port) if rest[13] & 0x12 == 0x02 else None
        # What a name server answers is begun by whoever asked.
        return None if rest[:2] == b"\0\x35" else ("udp", address, port)

    def clear(self):
        self.settle()
        with self.changed:
            self.seen.clear()

    def settle(self):
        """Waits until a packet of its own has come by, and everything before it has too."""
        with self.changed:
            before = self.seen.count(self.MARK)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as marker:
            marker.sendto(b"", self.MARK[1:])
        with self.changed:
            # On its way out, and on its way in.
            self.changed.wait_for(lambda: self.seen.count(self.MARK) >= before + 2, 10)

    def private(self):
        """What was begun to addresses that are not global, the test's own names and marks left out."""
        self.settle()
        with self.changed:
            return sorted({entry for entry in self.seen
                           if not is_global(entry[1]) and entry != self.MARK and entry != ("udp", "127.0.0.1", 53)})
