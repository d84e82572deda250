"""The processes of a MarsJob, with the standard library only: a scheduler, a web service and workers.

It shows what the operator gives every replica: MARS_CLUSTER_DETAIL with the endpoints of schedulers and web services
and, for workers, their resources; MARS_CONTAINER_IP and MARS_BIND_PORT, where to listen. Workers fetch chunks of
numbers from the scheduler and bring back their sums, until there are none; the web service fetches the result once it
is there and serves it by HTTP. The scheduler ends with code 0, and the job with it, when the sum over all chunks is
right and the web service has it.

Settings (environment): CHUNKS (default 20).
"""

import http.server
import json
import os
import socket
import socketserver
import threading
import time
from typing import Any

DEADLINE = 120
"""Seconds for all parts to come together."""
LENGTH = 1000


class Schedule:
    """The chunks that are left to do, and the sums of those that are done."""

    def __init__(self, chunks: int) -> None:
        self._left = list(range(chunks))
        self._chunks = chunks
        self._sums: dict[int, int] = {}
        self._changed = threading.Condition()
        self.fetched = threading.Event()

    def next(self, worker: str, sums: dict[int, int]) -> int | None:
        with self._changed:
            self._sums |= sums
            self._changed.notify_all()
            chunk = self._left.pop() if self._left else None
        print(f"{worker} brings {sums} and gets {chunk}", flush=True)
        return chunk

    def result(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: len(self._sums) == self._chunks, DEADLINE)
            return sum(self._sums.values())


def schedule(address: tuple[str, int], chunks: int) -> None:
    work = Schedule(chunks)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            asked: dict[str, Any] = json.loads(self.rfile.readline())
            if asked["who"] == "webservice":
                self.wfile.write(json.dumps(work.result()).encode() + b"\n")
                work.fetched.set()
            else:
                sums = {int(chunk): total for chunk, total in asked["sums"].items()}
                self.wfile.write(json.dumps(work.next(asked["who"], sums)).encode() + b"\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Server(address, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        total, wanted = work.result(), sum(range(chunks * LENGTH))
        if not work.fetched.wait(DEADLINE) or total != wanted:
            raise SystemExit(f"the sum is {total} and should be {wanted}")
        server.shutdown()
    print(f"the sum over {chunks} chunks is {total}", flush=True)


def ask(endpoint: str, question: dict[str, Any]) -> Any:
    host, port = endpoint.rsplit(":", 1)
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
                peer = connection.makefile("rw")
                peer.write(json.dumps(question) + "\n")
                peer.flush()
                return json.loads(peer.readline())
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{endpoint} does not answer: {error}") from error
            time.sleep(0.1)


def work(scheduler: str, index: int, resources: dict[str, int]) -> None:
    if resources != {"cpu_procs": int(os.environ["MARS_CPU_TOTAL"]), "phy_mem": int(os.environ["MARS_MEMORY_TOTAL"])}:
        raise SystemExit(f"the resources of the cluster's detail are not this container's: {resources}")
    sums: dict[int, int] = {}
    while (chunk := ask(scheduler, {"who": f"worker-{index}", "sums": sums})) is not None:
        sums = {chunk: sum(range(chunk * LENGTH, (chunk + 1) * LENGTH))}
    print("no chunks are left", flush=True)


def show(address: tuple[str, int], scheduler: str) -> None:
    total = ask(scheduler, {"who": "webservice"})
    print(f"the result is {total}", flush=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"{total}\n".encode())

    http.server.ThreadingHTTPServer(address, Handler).serve_forever()


def main() -> None:
    detail = json.loads(os.environ["MARS_CLUSTER_DETAIL"])
    cluster, task = detail["cluster"], detail["task"]
    print(f"{os.environ['MARS_K8S_POD_NAME']}: {task} of {cluster}", flush=True)
    address = (os.environ["MARS_CONTAINER_IP"], int(os.environ["MARS_BIND_PORT"]))
    if task["type"] == "scheduler":
        schedule(address, int(os.environ.get("CHUNKS", "20")))
    elif task["type"] == "webservice":
        show(address, cluster["scheduler"][0])
    else:
        work(cluster["scheduler"][0], task["index"], task["resources"])


if __name__ == "__main__":
    main()
