"""Three etcd members on the loopback, that can be killed, stopped, cut off and filled."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path += [SUPPORT, os.path.join(SUPPORT, "refresh")]

from ports import free_ports  # noqa: E402
from refreshing import NO_PROXY, PATIENCE, Broken, skip  # noqa: E402
from relay import Relays, holder_of  # noqa: E402

HEARTBEAT, ELECTION = 50, 500
ROOT_PASSWORD = "root-of-the-tests"


class Member:
    """One etcd process. `client` is the port that it is asked at."""

    def __init__(self, cluster, number, client, peer, shown_peer):
        self.cluster, self.name = cluster, f"m{number}"
        self.client, self.peer, self.shown_peer = client, peer, shown_peer
        self.data = os.path.join(cluster.root, self.name)
        self.log = os.path.join(cluster.root, self.name + ".log")
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.client}"

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, state="existing"):
        members = ",".join(f"{m.name}=http://127.0.0.1:{m.shown_peer}" for m in self.cluster.members)
        command = [
            "etcd", "--name", self.name, "--data-dir", self.data,
            "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
            "--listen-peer-urls", f"http://127.0.0.1:{self.peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{self.shown_peer}",
            "--initial-cluster", members, "--initial-cluster-state", state, "--initial-cluster-token", "vault-test",
            "--heartbeat-interval", str(HEARTBEAT), "--election-timeout", str(ELECTION), "--logger", "zap",
            "--log-level", "warn", "--snapshot-count", "100000", *self.cluster.options,
        ]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.cluster.root,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.cluster.root, "GOMAXPROCS": "2"},
                preexec_fn=die_with_parent,
            )

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        """Ends it as a power cut ends a machine: it has time for nothing."""
        if self.is_running:
            # One that is stopped dies of this too.
            self.process.kill()
            self.process.wait()

    def ask(self, path, body=None, token=None, timeout=2):
        """The gateway's answer."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": token} if token else {})
        request = urllib.request.Request(self.url + path, json.dumps(body or {}).encode(), headers)
        with NO_PROXY.open(request, timeout=timeout) as answer:
            return json.load(answer)

    def status(self):
        """What it says of itself, or `None`."""
        if not self.is_running:
            return None
        try:
            return self.ask("/v3/maintenance/status", timeout=1)
        except (OSError, urllib.error.URLError, ValueError):
            return None


def die_with_parent():
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Cluster:
    """Members `m0` to `m2`, each with a data directory of its own; all of it goes with this object.

    With `user`, whoever asks must say who he is, and he may touch no key but those that begin with the prefix.
    """

    def __init__(self, size=3, user=None, password=None, prefix="vault", quota=None, record=False):
        for program in ("etcd", "etcdctl"):
            if not shutil.which(program):
                skip(f"{program} is not installed")
        # In memory: what is killed here is processes, and what they have written outlives them there as well.
        self.root = tempfile.mkdtemp(prefix="vault-etcd-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.user, self.password, self.prefix = user, password, prefix
        self.options = ["--quota-backend-bytes", str(quota)] if quota else []
        self.relays = Relays()
        ports = free_ports(size * 4)
        self.members = [
            Member(self, number, *ports[number * 4:number * 4 + 3]) for number in range(size)
        ]
        self.cut_off = set()
        for member in self.members:
            relay = self.relays.add(member.shown_peer, member.peer, self.holder)
            relay.cuts = lambda source, name=member.name: source in self.cut_off or name in self.cut_off
        # In front of the members, for whoever is to be overheard or held up.
        self.fronts = [
            self.relays.add(ports[number * 4 + 3], member.client, record=record)
            for number, member in enumerate(self.members)
        ]
        try:
            for member in self.members:
                member.start("new")
            self.wait_until_well()
            if user:
                self.ask_for_passwords()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for member in self.members:
            member.kill()
        self.relays.close()
        if os.environ.get("VAULT_KEEP") != "1":
            shutil.rmtree(self.root, ignore_errors=True)

    def holder(self, port):
        return holder_of(port, {m.name: m.process.pid for m in self.members if m.is_running})

    # Who leads

    def leader(self, among=None):
        """The member that leads, as it says itself and one more agrees; or `None`."""
        statuses = [(member, member.status()) for member in among or self.members]
        for member, status in statuses:
            if not status or status.get("leader", "0") == "0" or status["leader"] != status["header"]["member_id"]:
                continue
            if sum(1 for _, other in statuses if other and other.get("leader") == status["leader"]) >= 2:
                return member
        return None

    def wait_for_leader(self, apart_from=None):
        among = [member for member in self.members if member is not apart_from]
        return self.wait(lambda: self.leader(among), "a leader")

    def wait_until_well(self):
        """Until all members follow one leader and have all that it has."""

        def is_well():
            statuses = [member.status() for member in self.members]
            return all(statuses) and len({status.get("leader", "0") for status in statuses}) == 1 and self.leader()

        return self.wait(is_well, "all members")

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            time.sleep(0.02)
        logs = []
        for member in self.members:
            with open(member.log, encoding="utf-8", errors="replace") as file:
                logs += [f"{member.name}: {line.strip()[:300]}" for line in file.readlines()[-3:]]
        raise Broken(f"waited in vain for {what}\n" + "\n".join(logs))

    def follower(self):
        leader = self.wait_for_leader()
        return next(member for member in self.members if member is not leader and member.is_running)

    # What goes wrong

    def kill_leader(self):
        """Kills the leader, and returns it and how long the others were without one, in seconds."""
        leader = self.wait_for_leader()
        begin = time.monotonic()
        leader.kill()
        self.wait_for_leader(leader)
        return leader, time.monotonic() - begin

    def restart(self, member):
        member.start()
        self.wait_until_well()

    def partition(self, member):
        """Cuts a member off from the others; clients reach it all the same."""
        self.cut_off = {member.name}

    def heal(self):
        self.cut_off = set()
        self.relays.heal()

    # etcdctl

    @property
    def endpoints(self):
        return [f"127.0.0.1:{member.client}" for member in self.members]

    def control(self, *arguments, stdin=None, allowed=(0,), members=None):
        """Runs `etcdctl` as root."""
        urls = ",".join(member.url for member in members or self.members)
        command = ["etcdctl", "--endpoints", urls, "--command-timeout", "20s", "--dial-timeout", "10s"]
        if self.user and self.is_guarded:
            command += ["--user", "root:" + ROOT_PASSWORD]
        done = subprocess.run(
            [*command, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": self.root, "ETCDCTL_API": "3"},
        )
        if done.returncode not in allowed:
            raise Broken(f"etcdctl {' '.join(arguments[:3])}: {done.stderr.decode(errors='replace')[:500]}")
        return done

    is_guarded = False

    def ask_for_passwords(self):
        """Makes the user, who may touch what begins with the prefix, and asks everybody for a password."""
        end = self.prefix[:-1] + chr(ord(self.prefix[-1]) + 1)
        self.control("user", "add", "root", "--interactive=false", stdin=ROOT_PASSWORD.encode() + b"\n")
        self.control("user", "grant-role", "root", "root")
        self.control("role", "add", "vaults")
        self.control("role", "grant-permission", "vaults", "readwrite", self.prefix, end)
        self.control("user", "add", self.user, "--interactive=false", stdin=self.password.encode() + b"\n")
        self.control("user", "grant-role", self.user, "vaults")
        self.control("auth", "enable")
        self.is_guarded = True

    def everything(self):
        """All keys and values, as pairs."""
        done = self.control("get", "", "--from-key", "--write-out", "json")
        found = json.loads(done.stdout)
        return [
            (base64.b64decode(item["key"]), base64.b64decode(item.get("value", ""))) for item in found.get("kvs", [])
        ]

    def files(self):
        """The paths of all files of the members: databases, logs of changes, snapshots."""
        return [
            os.path.join(folder, name)
            for member in self.members for folder, _, names in os.walk(member.data) for name in names
        ]

    # Quota

    def fill(self):
        """Writes until the cluster takes nothing more, and leaves the alarm standing."""
        block = b"x" * 400_000
        for number in range(1000):
            done = self.control("put", f"filler-{number}", stdin=block, allowed=(0, 1))
            if done.returncode != 0:
                if b"database space exceeded" not in done.stderr:
                    raise Broken(f"filling: {done.stderr.decode(errors='replace')[:300]}")
                self.wait(lambda: b"NOSPACE" in self.control("alarm", "list").stdout, "the alarm")
                return
        raise Broken("the quota is never reached")

    def make_room(self):
        """Gives the space back, and ends the alarm."""
        # What is deleted needs room too, so the alarm goes first; compaction and defragmentation follow at once.
        self.control("alarm", "disarm")
        self.control("del", "filler-", "--prefix")
        revision = json.loads(self.control("get", "x", "--write-out", "json").stdout)["header"]["revision"]
        self.control("compact", "--physical", str(revision))
        for member in self.members:
            self.control("defrag", members=[member])
        self.control("alarm", "disarm")
        self.wait(lambda: not self.control("alarm", "list").stdout.strip(), "the end of the alarm")
