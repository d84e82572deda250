"""Sum a vector over all replicas of a PyTorchJob, with the standard library only.

It shows what the operator gives a replica for ``torch.distributed``'s ``env://`` rendezvous: MASTER_ADDR, MASTER_PORT,
RANK and WORLD_SIZE. Rank 0 listens on the port, every other rank connects and sends its vector; rank 0 adds all of
them up and sends the sum back. Every rank compares the sum with the one it computes alone, and exits with code 1 if
they differ.

Settings (environment): ROUNDS, exchanges (default 5); PAUSE, seconds between two of them (default 0.2);
POD_IP, where rank 0 listens (default: on all addresses).
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import TextIO

RENDEZVOUS_DEADLINE = 120
"""Seconds for all ranks to meet: a rank may start long before the master's name resolves and its port listens."""
LENGTH = 4


class Group:
    """All ranks of the job, as seen from one of them: rank 0 holds a connection to each other rank, they one to it."""

    def __init__(self, rank: int, peers: Mapping[int, TextIO]) -> None:
        self.rank = rank
        self.peers = peers

    def all_reduce(self, vector: list[int]) -> list[int]:
        """The element-wise sum of the vectors of all ranks, the same in every rank."""
        if self.rank != 0:
            send(self.peers[0], vector)
            return receive(self.peers[0])
        vectors = [vector, *(receive(peer) for peer in self.peers.values())]
        total = [sum(column) for column in zip(*vectors, strict=True)]
        for peer in self.peers.values():
            send(peer, total)
        return total


def send(peer: TextIO, value: object) -> None:
    peer.write(json.dumps(value) + "\n")
    peer.flush()


def receive(peer: TextIO) -> list[int]:
    line = peer.readline()
    if not line:
        raise SystemExit("a peer closed the connection: look at the logs of the other ranks")
    vector: list[int] = json.loads(line)
    return vector


def listen(port: int, world: int) -> Group:
    """Rank 0: wait for every other rank to say who it is."""
    with socket.create_server((os.environ.get("POD_IP", ""), port)) as server:
        server.settimeout(RENDEZVOUS_DEADLINE)
        peers: dict[int, TextIO] = {}
        while len(peers) < world - 1:
            connection, _ = server.accept()
            peer = connection.makefile("rw")
            [peer_rank] = receive(peer)
            peers[peer_rank] = peer
    return Group(0, peers)


def connect(address: str, port: int, rank: int) -> Group:
    """Other ranks: try until rank 0 listens."""
    deadline = time.monotonic() + RENDEZVOUS_DEADLINE
    while True:
        try:
            connection = socket.create_connection((address, port), timeout=RENDEZVOUS_DEADLINE)
            break
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"rank 0 does not listen on {address}:{port}: {error}") from error
            time.sleep(0.2)
    peer = connection.makefile("rw")
    send(peer, [rank])
    return Group(rank, {0: peer})


def contribution(rank: int, step: int) -> list[int]:
    return [(rank + 1) * (step + 1) ** power for power in range(LENGTH)]


def main() -> None:
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    print(f"MASTER_ADDR={address} MASTER_PORT={port} RANK={rank} WORLD_SIZE={world}", flush=True)

    group = listen(port, world) if rank == 0 else connect(address, port, rank)
    for step in range(int(os.environ.get("ROUNDS", "5"))):
        total = group.all_reduce(contribution(rank, step))
        expected = [sum(column) for column in zip(*(contribution(r, step) for r in range(world)), strict=True)]
        if total != expected:
            raise SystemExit(f"round {step}: the sum over {world} ranks is {total}, expected {expected}")
        print(f"round {step}: sum over {world} ranks {total}", flush=True)
        time.sleep(float(os.environ.get("PAUSE", "0.2")))
    print("all sums agree", flush=True)


if __name__ == "__main__":
    main()
