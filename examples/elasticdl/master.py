"""The master of an ElasticDLJob, with the standard library only.

ElasticDL's master makes its workers itself, and they look for it by the name of its pod, which is all that the operator
has to see to. This one checks that name, and starts its workers as processes beside it. Each connects to the master's
address, fetches tasks and brings back their sums. The master exits with code 1 if the sum over all tasks is wrong.

Settings (environment): POD_NAME, name of the pod; JOB_NAME, name of the job; POD_IP, where the master listens.
"""

import json
import os
import socketserver
import subprocess
import sys
import threading
from typing import Any

WORKERS = 2
TASKS = 20
LENGTH = 1000

WORKER = """
import json, socket, sys
host, port = sys.argv[1:]
total = None
with socket.create_connection((host, int(port))) as connection:
    peer = connection.makefile("rw")
    while True:
        peer.write(json.dumps(total) + chr(10))
        peer.flush()
        task = json.loads(peer.readline())
        if task is None:
            break
        total = sum(range(*task))
"""


class Tasks:
    def __init__(self) -> None:
        self._left = [(i * LENGTH, (i + 1) * LENGTH) for i in range(TASKS)]
        self._lock = threading.Lock()
        self.total = 0

    def next(self, result: int | None) -> tuple[int, int] | None:
        with self._lock:
            self.total += result or 0
            return self._left.pop() if self._left else None


def main() -> None:
    name, wanted = os.environ["POD_NAME"], f"elasticdl-{os.environ['JOB_NAME']}-master"
    if name != wanted:
        raise SystemExit(f"workers look for the master at {wanted}, and it is {name}")
    tasks = Tasks()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(json.dumps(tasks.next(json.loads(line))).encode() + b"\n")

    with socketserver.ThreadingTCPServer((os.environ.get("POD_IP", ""), 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        command: list[Any] = [sys.executable, "-c", WORKER, str(host), str(port)]
        workers = [subprocess.Popen(command) for _ in range(WORKERS)]
        codes = [worker.wait() for worker in workers]
        server.shutdown()
    if any(codes) or tasks.total != sum(range(TASKS * LENGTH)):
        raise SystemExit(f"the workers ended with {codes}, and the sum is {tasks.total}")
    print(f"{WORKERS} workers have added up {TASKS} tasks: {tasks.total}", flush=True)


if __name__ == "__main__":
    main()
