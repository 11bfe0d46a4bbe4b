"""Times one expired token asked for by many: requests made, and the time over that of a single refresh."""

import os
import statistics
import sys
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Support", "refresh"))
sys.dont_write_bytecode = True

from refreshing import PAST, Asker, Home, Server, arguments, token_of  # noqa: E402

ROUNDS = 7


def measured(server, action):
    """Milliseconds, and requests."""
    before = len(server.refreshes())
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000, len(server.refreshes()) - before


def tasks(server, home, name, count):
    """So many tasks of one process; the time is its own."""
    asker = Asker(home, name)
    token, times, requests = asker.ask("plain").removeprefix("token "), [], []
    for _ in range(ROUNDS):
        before = len(server.refreshes())
        _, different, microseconds = asker.ask(f"many {count} {token}").split(" ")
        assert different == "1"
        times.append(int(microseconds) / 1000)
        requests.append(len(server.refreshes()) - before)
        token = asker.ask("plain").removeprefix("token ")
    asker.end()
    return times, requests


def workers(server, home, name, count):
    """So many long-lived processes."""
    askers = [Asker(home, name) for _ in range(count)]
    token, times, requests = askers[0].ask("plain").removeprefix("token "), [], []
    for _ in range(ROUNDS):
        answers = []

        def ask():
            for asker in askers:
                asker.begin(f"rejected {token}")
            for asker in askers:
                asker.has_begun()
            answers.extend(asker.answer() for asker in askers)

        taken, made = measured(server, ask)
        assert len(set(answers)) == 1
        token = answers[0].removeprefix("token ")
        times.append(taken)
        requests.append(made)
    for asker in askers:
        asker.end()
    return times, requests


def commands(server, home, name, count):
    """So many `vault token`, from their start to their end; each round has a token that has expired."""
    times, requests = [], []
    for number in range(ROUNDS):
        expired = f"{name}-{number}"
        home.take(server.grant(), name=expired, endpoint=server.token_endpoint, expiry=PAST)
        answers = []

        def ask():
            running = [home.start("token", expired, "-q") for _ in range(count)]
            answers.extend(token_of(program.end()) for program in running)

        taken, made = measured(server, ask)
        assert len(set(answers)) == 1 and answers[0]
        times.append(taken)
        requests.append(made)
    return times, requests


def main():
    options = arguments()
    with Server() as server, Home(options.programs) as home:
        home.make_vault()
        for kind, counts in ((tasks, (1, 10, 100)), (workers, (1, 10, 100)), (commands, (1, 10, 100))):
            single = None
            for count in counts:
                name = f"{kind.__name__}-{count}"
                home.take(server.grant(), name=name, endpoint=server.token_endpoint)
                times, requests = kind(server, home, name, count)
                median = statistics.median(times)
                single = single or median
                print(
                    f"{count:4} {kind.__name__:9} {max(requests)} request of {ROUNDS} rounds at most, {median:8.1f} ms  "
                    f"({min(times):.1f} to {max(times):.1f}), {median / single:.2f} of a single one", flush=True,
                )


main()
