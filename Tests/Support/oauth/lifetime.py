"""How every server here begins and ends: one JSON line when it listens, and an end when its standard input closes."""
import json
import os
import sys
import threading


def announce(**facts):
    """Prints what a test needs to know, on one line, once the port is bound."""
    print(json.dumps(facts), flush=True)


def end_with_standard_input():
    """Ends the process once whoever started it closes the pipe, or dies; no server outlives its test."""

    def wait():
        while os.read(0, 4096):
            pass
        sys.stdout.flush()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
