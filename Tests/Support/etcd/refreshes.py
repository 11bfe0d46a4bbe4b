#!/usr/bin/env python3
"""The leader dies in the middle of refreshes, asked for by many processes on two machines: one request per expiry."""

import os
import random
import time

from machines import Machine, guarded
from refreshing import PATIENCE, Asker, Findings, Server, arguments, fingerprint

# When the leader dies: before anybody asks, while the server holds its answer, at any instant after it gave it.
MOMENTS = ("asked", "held", "answered")
ROUNDS = 6
PROCESSES = 4


def main():
    options = arguments()
    findings = Findings()
    seconds = int(os.environ.get("VAULT_SOAK_SECONDS", "0"))
    seed = int(os.environ.get("VAULT_SEED", "20240229"))
    chance = random.Random(seed)
    with Server() as server, guarded() as cluster, Machine(options.programs, cluster) as first, Machine(
        options.programs, cluster
    ) as second:
        first.make_vault()
        grant = server.grant()
        first.take(grant, endpoint=server.token_endpoint)
        askers = [Asker(machine) for machine in (first, second) for _ in range(PROCESSES)]
        current = grant.access
        begin, rounds, slowest, refused = time.monotonic(), 0, 0.0, {}
        while rounds < ROUNDS or time.monotonic() - begin < seconds:
            moment = MOMENTS[rounds % len(MOMENTS)]
            rounds += 1
            where = f"round {rounds}, killed when {moment}"
            before = len(server.refreshes())
            server.ask("/_expire", {})
            leader = cluster.wait_for_leader()
            if moment == "asked":
                leader.kill()
            else:
                server.fault("hang")
            line = f"rejected {current}"
            asked = time.monotonic()
            for asker in askers:
                asker.begin(line)
            for asker in askers:
                asker.has_begun()
            if moment != "asked":
                server.wait_for_hanging()
                if moment == "held":
                    leader.kill()
                server.release()
                if moment == "answered":
                    time.sleep(chance.random() * 0.05)
                    leader.kill()
            answers = set()
            for asker in askers:
                answer = asker.answer()
                # A store without a leader may be too much for one call; it is asked once more.
                while not answer.startswith("token ") and time.monotonic() - asked < PATIENCE:
                    refused[answer[:160]] = refused.get(answer[:160], 0) + 1
                    if not findings.expect(answer[:8] in ("error 8 ", "error 9 "), f"{where}: {answer}"):
                        break
                    time.sleep(0.1)
                    answer = asker.ask(line)
                answers.add(answer)
            slowest = max(slowest, time.monotonic() - asked)
            access, refresh = server.issued(grant.family)
            token = sorted(answers)[0].removeprefix("token ")
            findings.expect(len(answers) == 1 and fingerprint(token) == access, f"{where}: they got {sorted(answers)}")
            requests = server.refreshes()[before:]
            outcomes = [request["outcome"] for request in requests]
            findings.expect(outcomes == ["granted"], f"{where}: the server saw {outcomes}")
            kept = first.kept()
            is_kept = kept and kept.refresh_fingerprint == refresh and kept.state == "active/"
            findings.expect(is_kept, f"{where}: kept: {kept}, the server has {access}, {refresh}")
            if findings.count:
                break
            current = token
            cluster.restart(leader)
        lasted = time.monotonic() - begin
        state = server.state()
        findings.expect(state["reuses"] == 0 and state["families_revoked"] == 0, f"reuse was detected: {state}")
        for asker in askers:
            findings.expect(asker.end() == 0, "a worker did not end well")
        requests = len(server.refreshes())
    for answer, count in sorted(refused.items())[:4]:
        print(f"refused at first, {count} times: {answer}")
    findings.finish(
        f"seed {seed}: the leader killed in {rounds} refreshes over {lasted:.0f} s, {len(askers)} processes on two "
        f"machines: {requests} requests, {state['reuses']} reuses, all have the token after {slowest:.1f} s at most"
    )


main()
