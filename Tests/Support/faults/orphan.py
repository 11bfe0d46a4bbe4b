#!/usr/bin/env python3
"""Kills `vault` while it waits for a keyring that never answers: its child ends too."""

import os
import shutil
import subprocess
import sys
import time

from common import Findings, arguments, skip

POLLS = ("7", "23", "270", "271", "232", "281")


def children(parent):
    """The processes that a process has started."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(name))
    return found


def is_running(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def is_waiting(process):
    """Whether a child waits for the keyring's answer rather than is still starting."""
    try:
        with open(f"/proc/{process}/syscall", encoding="ascii") as file:
            return file.read().split()[0] in POLLS
    except OSError:
        return False


def until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    return None


def inside(options):
    """On a bus whose keyring is silent."""
    findings = Findings()
    slowest = 0
    rounds = 40 if options.exhaustive else 8
    for number in range(rounds):
        vault = subprocess.Popen(
            [os.path.join(options.programs, "vault"), "init", "--key", "secret-service", "--no-recovery-code", "--no-input"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        child = until(lambda: children(vault.pid), 10)
        if findings.expect(child, "vault started no child"):
            if number % 2:
                findings.expect(until(lambda: is_waiting(child[0]), 4), "control: the child does not wait for the keyring")
            begin = time.monotonic()
            vault.kill()
            vault.wait()
            gone = until(lambda: not is_running(child[0]), 10)
            slowest = max(slowest, time.monotonic() - begin)
            findings.expect(gone, f"the child {child[0]} outlives its parent")
        else:
            vault.kill()
            vault.wait()
    findings.finish(f"{rounds} parents killed, each child gone within {slowest:.2f} s")


def main():
    options = arguments("what")
    if options.what == "inside":
        inside(options)
    if not shutil.which("dbus-daemon"):
        skip("dbus-daemon is not installed")
    bus = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "keyring", "private-bus")
    extra = ["--exhaustive"] if options.exhaustive else []
    command = [sys.executable, os.path.abspath(__file__), "--programs", options.programs, *extra, "inside"]
    sys.exit(subprocess.run([bus, "--stand-in", options.what, "--", *command]).returncode)


main()
