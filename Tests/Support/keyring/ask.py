#!/usr/bin/python3
"""Speaks to vault-keyring by hand, for whoever debugs it: ask.py PROGRAM probe|lookup|store|delete [--interactive].

The protocol is described in Sources/KeyringProtocol/KeyringWire.swift. The UUIDs and the key are constants.
"""
import os
import socket
import struct
import subprocess
import sys

operation = {"probe": 1, "lookup": 2, "store": 3, "delete": 4}[sys.argv[2]]
value = bytes(range(32)) if operation == 3 else b""
label = b"vault: key for /nowhere"
body = bytes([1, operation, 1 if "--interactive" in sys.argv else 0]) + bytes(range(16)) + bytes(range(16, 32))
body += struct.pack(">H", len(label)) + label + struct.pack(">H", len(value)) + value
spare = os.open("/dev/null", os.O_RDONLY)  # takes 3, so that neither end does
ours, theirs = socket.socketpair()
os.dup2(theirs.fileno(), 3)
child = subprocess.Popen([sys.argv[1]], pass_fds=[3])
theirs.close()
os.close(3)
ours.sendall(struct.pack(">I", len(body)) + body)
print(ours.recv(65536))
ours.close()
print("exit", child.wait())
