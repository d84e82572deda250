"""A ring of MPI processes adds up vectors: each finds out whether all are there, and what they have in common.

Started by ``mpirun`` in the Launcher, as processes of the Workers.
"""

import os
import socket
from array import array

from mpi4py import MPI

ROUNDS = int(os.environ.get("ROUNDS", "5"))
LENGTH = 100_000


def main() -> None:
    world = MPI.COMM_WORLD
    rank, size = world.Get_rank(), world.Get_size()
    hosts = world.allgather(socket.gethostname())
    if rank == 0:
        print(f"{size} processes on {', '.join(sorted(set(hosts)))}", flush=True)
    for number in range(1, ROUNDS + 1):
        mine = array("d", [float(rank + number)]) * LENGTH
        total = array("d", [0.0]) * LENGTH
        world.Allreduce([mine, MPI.DOUBLE], [total, MPI.DOUBLE], op=MPI.SUM)
        expected = float(sum(range(size)) + size * number)
        if min(total) != expected or max(total) != expected:
            raise SystemExit(f"rank {rank}, round {number}: {min(total)} to {max(total)} instead of {expected}")
        if rank == 0:
            print(f"round {number}: every element is {expected:g}", flush=True)
    world.Barrier()
    if rank == 0:
        print("all sums agree", flush=True)


if __name__ == "__main__":
    main()
