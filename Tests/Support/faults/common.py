"""What the fault scripts share: a vault in a home of its own, and programs that are killed or failed at one system call."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

TOKENS = b"""{"access_token":"at-CANARY","token_type":"Bearer","refresh_token":"rt-CANARY","expiry":"2031-01-01T00:00:00Z"}"""


class Broken(Exception):
    """The harness itself does not work."""


class Outcome:
    """How a program ended."""

    def __init__(self, status, out, err, calls=(), hit=None):
        self.status, self.out, self.err, self.calls, self.hit = status, out, err, calls, hit

    def __str__(self):
        err = self.err.decode("utf-8", "replace").strip().replace("\n", " | ")
        return f"exit {self.status}: {err}"


class Place:
    """A temporary home with all XDG directories below it."""

    def __init__(self, programs, base=None, store="sqlite"):
        self.programs, self.store = programs, store
        self.root = tempfile.mkdtemp(prefix="vault-faults-", dir=base or memory())
        self.move(self.root)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def move(self, base):
        """Goes on with an empty home below `base`."""
        self.home = os.path.join(base, "home")
        os.mkdir(self.home, 0o700)
        self.environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": self.home}
        for name in ["DATA_HOME", "STATE_HOME", "CONFIG_HOME", "CACHE_HOME", "RUNTIME_DIR"]:
            self.environment["XDG_" + name] = os.path.join(self.home, name.lower())
            os.mkdir(self.environment["XDG_" + name], 0o700)
        self.vault_directory = os.path.join(self.home, "data_home", "vault")
        self.database = os.path.join(self.vault_directory, "vault.sqlite")
        # What a synced folder is: elsewhere, with nothing in it but records.
        self.synced = os.path.join(self.home, "synced")
        self.key = os.path.join(self.home, "key")

    @property
    def header(self):
        """The file that makes it a vault."""
        return self.database if self.store == "sqlite" else os.path.join(self.synced, "header")

    @property
    def store_options(self):
        """How `init` is told of the store."""
        return [] if self.store == "sqlite" else ["--store", "dir:" + self.synced]

    def file(self, name, contents=None):
        path = os.path.join(self.home, name)
        if contents is not None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(descriptor, contents)
            os.close(descriptor)
        return path

    def run(self, command, stdin=b"", prefix=(), timeout=60):
        done = subprocess.run(
            [*prefix, *command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment, timeout=timeout, cwd=self.root,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def vault(self, *arguments, stdin=b"", **options):
        return self.run([os.path.join(self.programs, "vault"), *arguments], stdin, **options)

    def must(self, *arguments, stdin=b""):
        outcome = self.vault(*arguments, stdin=stdin)
        if outcome.status != 0:
            raise Broken(f"vault {' '.join(arguments)}: {outcome}")
        return outcome

    def worker(self, *arguments, **options):
        return self.run([os.path.join(self.programs, "vault-test-worker"), *arguments], **options)

    def injected(self, arguments, stdin=b"", calls="change", at=0, error=0, on=False):
        """Runs `vault` with its `at`th call below the home killed (or failed with `error`; with `on`, all from there)."""
        log = os.path.join(self.root, "calls")
        prefix = [os.path.join(self.programs, "vault-test-injector"), "--under", self.home, "--log", log, "--calls", calls]
        if at:
            prefix += ["--at", str(at)]
        if error:
            prefix += ["--error", str(error)]
        if on:
            prefix += ["--from"]
        outcome = self.vault(*arguments, stdin=stdin, prefix=[*prefix, "--"])
        if outcome.status == 77:
            skip("the injector does not know this machine's system calls")
        if outcome.status == 125:
            raise Broken(str(outcome))
        with open(log, encoding="utf-8", errors="replace") as lines:
            lines = lines.read().splitlines()
        outcome.calls = [line for line in lines if not line.startswith("hit")]
        hits = [line[4:] for line in lines if line.startswith("hit")]
        outcome.hit = hits[0].replace(self.home, "~") if hits else None
        return outcome

    def make_vault(self, *options):
        self.must("init", "--key", "key-file:" + self.key, "--no-recovery-code", "--no-input", *self.store_options, *options)

    def fill(self):
        """Two static secrets and a grant whose file is kept."""
        self.must("set", "static:one", stdin=b"value-one")
        self.must("set", "static:two", stdin=b"value-two")
        path = self.file("grant.json", TOKENS)
        self.must("import", path, "--yes", "--name", "grant", "--token-url", "https://as.example/token")
        os.unlink(path)

    def save(self):
        copy(self.home, os.path.join(self.root, "saved"))

    def restore(self):
        copy(os.path.join(self.root, "saved"), self.home)

    def dump(self):
        """Every entry with its secrets, or the error that stands in the way."""
        outcome = self.worker("dump")
        if outcome.status == 0:
            return outcome.out.decode()
        return f"FAILED {outcome.status} {outcome.out.decode(errors='replace')} {outcome.err.decode(errors='replace')}"


class Disk:
    """A file system in memory, of a size that can be filled and that can turn read-only."""

    def __init__(self, path, size):
        self.path, self.size = path, size
        os.makedirs(path, exist_ok=True)

    def __enter__(self):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "vault-test", self.path], capture_output=True
        )
        if done.returncode != 0:
            skip(f"mounting a tmpfs is not permitted here: {done.stderr.decode().strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.path], check=True)

    def remount(self, option):
        subprocess.run(["mount", "-o", f"remount,{option}", self.path], check=True)

    def fill(self, leaving=0):
        """Takes all space but `leaving` bytes."""
        with open(os.path.join(self.path, "filler"), "wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while file.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass
            if leaving:
                os.ftruncate(file.fileno(), max(0, os.fstat(file.fileno()).st_size - leaving))

    def free(self):
        os.unlink(os.path.join(self.path, "filler"))


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)


def memory():
    """A directory in memory, where fsync costs nothing; what is killed or failed does not depend on the disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def arguments(*extra):
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, help="the directory of the built programs")
    parser.add_argument("--exhaustive", action="store_true", help="everything rather than a share")
    parser.add_argument("--store", choices=["sqlite", "directory"], default="sqlite", help="what keeps the records")
    for name in extra:
        parser.add_argument(name)
    return parser.parse_args()


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


class Findings:
    """What is wrong; it is printed as it is found, and decides the exit status."""

    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def add(self, text):
        with self.lock:
            self.count += 1
            if self.count <= 30:
                print("WRONG", text, flush=True)

    def expect(self, condition, text):
        if not condition:
            self.add(text)
        return condition

    def finish(self, summary):
        print(f"{summary}; {self.count} wrong", flush=True)
        sys.exit(1 if self.count else 0)


def sample(total, most, exhaustive):
    """Numbers from 1 to `total`: all of them, or `most` at a fixed stride."""
    everything = list(range(1, total + 1))
    if exhaustive or total <= most:
        return everything
    stride = -(-total // most)
    return everything[stride // 2::stride]


def each(items, work, threads=2):
    """Calls `work(worker, item)` for all items on a few threads; `worker` counts the threads."""
    items = list(items)
    lock = threading.Lock()

    def loop(worker):
        while True:
            with lock:
                if not items:
                    return
                item = items.pop(0)
            work(worker, item)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(loop, worker) for worker in range(threads)]:
            done.result()
