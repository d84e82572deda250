"""The processes of an MXJob, with the standard library only: those of a training, or those of a tuning.

It shows what the operator gives every replica. For a training these are the DMLC_ variables that MXNet and BytePS read:
servers and workers tell the scheduler where they are, and it tells each worker of the servers; a worker sends every
server its number and compares the sum that it answers with the one that it computes alone. For a tuning it is
MX_CONFIG: a tuning server offers its key to the tracker, the tuner asks the tracker for a server of that key and gives
it a task. A worker or tuner exits with code 1 if an answer is wrong. The others run until the job has ended.

Settings (environment): POD_IP, where a scheduler, server or tracker listens.
"""

import json
import os
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from typing import Any

DEADLINE = 120
"""Seconds for all parts to come together."""


class Meeting:
    """What everybody has brought. ``wait`` returns all of it when so many have come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._given: dict[str, Any] = {}
        self._changed = threading.Condition()

    def bring(self, who: str, what: Any) -> None:
        with self._changed:
            self._given[who] = what
            self._changed.notify_all()

    def wait(self) -> dict[str, Any]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._given) == self._size, DEADLINE)
            return dict(self._given)

    def join(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.bring(asked["who"], asked["what"])
        return self.wait()


def serve(port: int, answer: Callable[[dict[str, Any]], Any]) -> None:
    """For ever, beside what else the program does."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(json.dumps(answer(json.loads(self.rfile.readline()))).encode() + b"\n")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    print(f"listening on port {port}", flush=True)
    threading.Thread(target=Server((os.environ["POD_IP"], port), Handler).serve_forever).start()


def ask(host: str, port: int, who: str, what: Any) -> Any:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with socket.create_connection((host, port), timeout=DEADLINE) as connection:
                peer = connection.makefile("rw")
                peer.write(json.dumps({"who": who, "what": what}) + "\n")
                peer.flush()
                return json.loads(peer.readline())
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"{host}:{port} does not answer: {error}") from error
            time.sleep(0.1)


def train(role: str, me: dict[str, Any], who: str) -> None:
    scheduler = os.environ["DMLC_PS_ROOT_URI"], int(os.environ["DMLC_PS_ROOT_PORT"])
    servers, workers = int(os.environ["DMLC_NUM_SERVER"]), int(os.environ["DMLC_NUM_WORKER"])
    if role == "scheduler":
        serve(scheduler[1], Meeting(servers + workers).join)
    elif role == "server":
        serve(me["port"], Meeting(workers).join)
        ask(*scheduler, who, me)
    else:
        number = int(os.environ["DMLC_WORKER_ID"]) + 1
        found = [where for where in ask(*scheduler, who, None).values() if where is not None]
        sums = [sum(ask(where["url"], where["port"], who, number).values()) for where in found]
        if sums != [workers * (workers + 1) // 2] * servers:
            raise SystemExit(f"the sums of {servers} servers over {workers} workers are {sums}")
        print(f"the sums of {servers} servers over {workers} workers are {sums}\nall sums agree", flush=True)


def tune(role: str, config: dict[str, Any], who: str) -> None:
    cluster, keys = config["cluster"], config["labels"]
    tracker, me = cluster["tunertracker"][0], cluster[role][config["task"]["index"]]
    if role == "tunertracker":
        offers = Meeting(len(cluster["tunerserver"]))

        def track(asked: dict[str, Any]) -> list[Any]:
            if "url" in asked["what"]:
                offers.bring(asked["who"], asked["what"])
                return []
            return [offer for offer in offers.wait().values() if offer["key"] == asked["what"]["key"]]

        serve(tracker["port"], track)
    elif role == "tunerserver":
        serve(me["port"], lambda asked: asked["what"] ** 2)
        ask(tracker["url"], tracker["port"], who, {**me, "key": keys[role]})
    else:
        offers_of_key = ask(tracker["url"], tracker["port"], who, {"key": keys["tunerserver"]})
        answers = [ask(offer["url"], offer["port"], who, 12) for offer in offers_of_key]
        if answers != [144] * len(cluster["tunerserver"]):
            raise SystemExit(f"the answers of the servers {offers_of_key} are {answers}")
        print(f"{len(answers)} servers of key {keys['tunerserver']} have answered right", flush=True)


def main() -> None:
    config = json.loads(os.environ["MX_CONFIG"])
    role, index = config["task"]["type"], config["task"]["index"]
    print(f"{role} {index} of { {name: len(found) for name, found in config['cluster'].items()} }", flush=True)
    if os.environ["DMLC_ROLE"] != role or os.environ["DMLC_USE_KUBERNETES"] != "1":
        raise SystemExit(f"the DMLC_ variables are not those of MX_CONFIG: {config}")
    who = f"{role}-{index}"
    if "tuner" in role:
        tune(role, config, who)
    else:
        train(role, config["cluster"][role][index], who)


if __name__ == "__main__":
    main()
