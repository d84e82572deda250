"""The processes of an XDLJob, with the standard library only: a scheduler, parameter servers and workers.

It shows what the operator gives every replica: XDL_CONFIG with the endpoints of all, TASK_NAME and TASK_INDEX, and
ZK_ADDR with a directory in ZooKeeper that all replicas of this job share and no other job has. (No ZooKeeper is asked
here.) Workers tell the scheduler their directory and wait until all of them have; then they send a parameter server
their number, and compare the sum that it answers with the one that they compute alone. They exit with code 1 if
something does not agree. Scheduler and parameter servers run until the operator takes them away.

Settings (environment): POD_IP, where a scheduler or parameter server listens.
"""

import json
import os
import socket
import socketserver
import threading
import time

DEADLINE = 120
"""Seconds for a peer to start: its name resolves when its pod has an address."""


class Meeting:
    """Everybody's contribution. ``join`` returns them all when all have come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._given: dict[str, str] = {}
        self._changed = threading.Condition()

    def join(self, who: str, what: str) -> dict[str, str]:
        with self._changed:
            self._given[who] = what
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._given) == self._size, DEADLINE)
            return dict(self._given)


def serve(address: tuple[str, int], meeting: Meeting) -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            who, what = json.loads(self.rfile.readline())
            self.wfile.write(json.dumps(meeting.join(who, what)).encode() + b"\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(address, Handler) as server:
        print(f"listening on {address[0]}:{address[1]}", flush=True)
        server.serve_forever()


def meet(endpoint: str, who: str, what: str) -> dict[str, str]:
    host, port = endpoint.rsplit(":", 1)
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
                peer = connection.makefile("rw")
                peer.write(json.dumps([who, what]) + "\n")
                peer.flush()
                found: dict[str, str] = json.loads(peer.readline())
                return found
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{endpoint} does not answer: {error}") from error
            time.sleep(0.1)


def work(cluster: dict[str, list[str]], index: int) -> None:
    me, workers = f"worker-{index}", len(cluster["worker"])
    directories = set(meet(cluster["scheduler"][0], me, os.environ["ZK_ADDR"]).values())
    print(f"the directory of all workers is {directories}", flush=True)
    if len(directories) != 1:
        raise SystemExit("the workers have directories of their own")
    numbers = meet(cluster["ps"][0], me, str(index + 1))
    total = sum(map(int, numbers.values()))
    if total != workers * (workers + 1) // 2:
        raise SystemExit(f"the sum over {workers} workers is {total}")
    print(f"the sum over {workers} workers is {total}\nall sums agree", flush=True)


def main() -> None:
    config = json.loads(os.environ["XDL_CONFIG"])
    cluster, role, index = config["cluster"], config["task"]["type"], config["task"]["index"]
    print(f"{role} {index} of { {name: len(endpoints) for name, endpoints in cluster.items()} }", flush=True)
    if (os.environ["TASK_NAME"], os.environ["TASK_INDEX"]) != (role, str(index)):
        raise SystemExit(f"TASK_NAME and TASK_INDEX are not those of XDL_CONFIG: {config}")
    if role == "worker":
        work(cluster, index)
    else:
        port = int(cluster[role][index].rsplit(":", 1)[1])
        serve((os.environ.get("POD_IP", ""), port), Meeting(len(cluster["worker"])))


if __name__ == "__main__":
    main()
