#!/usr/bin/python3
"""Asks an agent: ask.py SOCKET, with one request on each line of standard input; prints one answer for each."""
import json
import socket
import sys

for line in sys.stdin:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(sys.argv[1])
        connection.sendall(line.encode())
        with connection.makefile() as lines:
            print(next(answer for answer in lines if "id" in json.loads(answer)), end="", flush=True)
