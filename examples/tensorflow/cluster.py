"""Sum vectors over parameter servers as TF_CONFIG tells of them, with the standard library only.

It shows what the operator gives every replica of a TFJob: the endpoints of all replicas, and which of them it is. A
parameter server adds up what the Chief and the Workers send, round by round, and answers each with the sum. They
compare it with the one that they compute alone, and exit with code 1 if the two differ. An Evaluator asks a parameter
server for the last sum. Parameter servers and Evaluators run until the operator takes them away.

Settings (environment): POD_NAME, name of the pod; POD_IP, where a parameter server listens; ROUNDS (default 5).
"""

import json
import os
import socket
import socketserver
import threading
import time
from typing import Any

DEADLINE = 120
"""Seconds for a peer to start: its name resolves when its pod has an address."""
TRAINERS = ("chief", "master", "worker")


class Sums:
    """The sums of each round. ``add`` returns when all trainers have added theirs."""

    def __init__(self, trainers: int) -> None:
        self._trainers = trainers
        self._rounds: dict[int, list[int]] = {}
        self._changed = threading.Condition()

    def add(self, step: int, number: int) -> int:
        with self._changed:
            given = self._rounds.setdefault(step, [])
            given.append(number)
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(given) == self._trainers, DEADLINE)
            return sum(given)

    def last(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._rounds, DEADLINE)
            return sum(self._rounds[max(self._rounds)])


def serve(address: tuple[str, int], sums: Sums) -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                asked: dict[str, int] = json.loads(line)
                answer = sums.add(asked["step"], asked["number"]) if asked else sums.last()
                self.wfile.write(f"{answer}\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(address, Handler) as server:
        print(f"parameter server on {address[0]}:{address[1]}", flush=True)
        server.serve_forever()


def connect(endpoint: str) -> Any:
    host, port = endpoint.rsplit(":", 1)
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_connection((host, int(port)), timeout=DEADLINE).makefile("rw")
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{endpoint} does not answer: {error}") from error
            time.sleep(0.1)


def ask(peer: Any, question: dict[str, int]) -> int:
    peer.write(json.dumps(question) + "\n")
    peer.flush()
    return int(peer.readline())


def train(servers: list[str], me: int, trainers: int) -> None:
    peers = [connect(endpoint) for endpoint in servers]
    for step in range(int(os.environ.get("ROUNDS", "5"))):
        sums = [ask(peer, {"step": step, "number": (me + 1) * (step + shard)}) for shard, peer in enumerate(peers)]
        wanted = [sum((i + 1) * (step + shard) for i in range(trainers)) for shard in range(len(peers))]
        if sums != wanted:
            raise SystemExit(f"round {step}: the sums are {sums} and should be {wanted}")
        print(f"round {step}: sums over {trainers} trainers {sums}", flush=True)
    print("all sums agree", flush=True)


def main() -> None:
    config = json.loads(os.environ["TF_CONFIG"])
    cluster, role, index = config["cluster"], config["task"]["type"], config["task"]["index"]
    members = {name: len(endpoints) for name, endpoints in cluster.items()}
    print(f"{role} {index} of {members}", flush=True)
    if config["environment"] != "cloud" or not os.environ["POD_NAME"].endswith(f"-{role}-{index}"):
        raise SystemExit(f"TF_CONFIG is not this replica's: {config}")
    trainers = [(name, i) for name in TRAINERS for i in range(members.get(name, 0))]
    if role == "evaluator":
        print(f"the last sum is {ask(connect(cluster['ps'][0]), {})}", flush=True)
    elif role == "ps":
        port = int(cluster["ps"][index].rsplit(":", 1)[1])
        serve((os.environ.get("POD_IP", ""), port), Sums(len(trainers)))
    else:
        train(cluster["ps"], trainers.index((role, index)), len(trainers))


if __name__ == "__main__":
    main()
