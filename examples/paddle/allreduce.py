"""The rendezvous of a PaddleJob, with the standard library only.

It shows what the operator gives every replica for ``paddle.distributed.launch``: PADDLE_MASTER, where all meet;
PADDLE_NNODES, how many there are; PADDLE_JOB_ID; with parameter servers also PADDLE_SERVER_NUM or PADDLE_TRAINER_NUM.
The first replica has its own address in PADDLE_MASTER and listens there, the others know it by name and connect. It
gives each a rank, adds up what they send, and tells all the sum, which each compares with the one that it computes
alone. A replica exits with code 1 if the two differ.

Settings (environment): POD_IP, by which the first replica knows that PADDLE_MASTER is its own address.
"""

import json
import os
import socket
import time
from typing import Any

DEADLINE = 120
"""Seconds for all replicas to come together: the name of the first one resolves when its pod has an address."""


def talk(peer: Any, message: Any) -> None:
    peer.write(json.dumps(message) + "\n")
    peer.flush()


def listen(host: str, port: int, others: int) -> list[Any]:
    with socket.create_server((host, port)) as server:
        server.settimeout(DEADLINE)
        return [server.accept()[0].makefile("rw") for _ in range(others)]


def connect(host: str, port: int) -> Any:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_connection((host, port), timeout=DEADLINE).makefile("rw")
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the first replica does not listen on {host}:{port}: {error}") from error
            time.sleep(0.1)


def role() -> str:
    if os.environ.get("PADDLE_SERVER_NUM") == "1":
        return "server"
    return "trainer" if os.environ.get("PADDLE_TRAINER_NUM") == "1" else "equal"


def main() -> None:
    host, port = os.environ["PADDLE_MASTER"].rsplit(":", 1)
    nodes, me = int(os.environ["PADDLE_NNODES"]), role()
    print(f"job {os.environ['PADDLE_JOB_ID']}: {me}, one of {nodes}, meets the others at {host}:{port}", flush=True)
    if host == os.environ["POD_IP"]:
        peers = listen(host, int(port), nodes - 1)
        roles = [me, *(json.loads(peer.readline()) for peer in peers)]
        for rank, peer in enumerate(peers, start=1):
            talk(peer, {"rank": rank, "roles": roles})
        total = 1 + sum(json.loads(peer.readline()) for peer in peers)
        for peer in peers:
            talk(peer, total)
    else:
        peer = connect(host, int(port))
        talk(peer, me)
        given = json.loads(peer.readline())
        roles = given["roles"]
        talk(peer, given["rank"] + 1)
        total = json.loads(peer.readline())
    if total != nodes * (nodes + 1) // 2 or ("equal" in roles) == ("trainer" in roles):
        raise SystemExit(f"the sum over {nodes} replicas is {total}, and they are {roles}")
    print(f"the sum over {nodes} replicas, which are {roles}, is {total}", flush=True)


if __name__ == "__main__":
    main()
