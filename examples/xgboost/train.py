"""Train a classifier of handwritten digits with XGBoost, its rows spread over all replicas of an XGBoostJob.

The operator gives each replica MASTER_ADDR, MASTER_PORT and WORLD_SIZE; the job's YAML adds the pod's own POD_NAME and
POD_IP. The replica whose pod is the master's runs XGBoost's tracker and trains like the others. The ranks are the
tracker's, and each rank reads its share of the rows. At the end the master saves the model, loads it again and prints
the accuracy of what it loaded as its last line.

Settings (environment): OUTPUT_DIR, where model.json and metrics.json go (default ".");
ROUNDS, boosting rounds (default 40).
"""

import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import xgboost
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from xgboost import collective
from xgboost.callback import TrainingCallback
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

T = TypeVar("T")

TRACKER_DEADLINE = 120
"""Seconds for all replicas to meet: a replica may start long before the master's name resolves and its port listens."""
REPORT_EVERY = 5
PARAMETERS = {
    "objective": "multi:softprob",
    "num_class": 10,
    "eval_metric": "mlogloss",
    "tree_method": "hist",
    "max_depth": 4,
    "eta": 0.2,
    "nthread": 1,
    "seed": 7,
}


class Progress(TrainingCallback):
    """Prints the metric in every replica; XGBoost's own monitor prints in rank 0 only."""

    def after_iteration(self, model: object, epoch: int, evals_log: TrainingCallback.EvalsLog) -> bool:
        if epoch % REPORT_EVERY == 0:
            losses = [f"{part}-mlogloss:{log['mlogloss'][-1]:.4f}" for part, log in evals_log.items()]
            print(f"[{epoch}]", *losses, flush=True)
        return False


def persist(attempt: Callable[[], T], what: str) -> T:
    """The answer of ``attempt``, tried again while XGBoost refuses and the deadline is not over."""
    deadline = time.monotonic() + TRACKER_DEADLINE
    while True:
        try:
            return attempt()
        except XGBoostError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"gave up after {TRACKER_DEADLINE} s to {what}: {error}") from error
            time.sleep(0.5)


def start_tracker(address: str, port: int, world: int) -> RabitTracker:
    """The meeting point of all replicas. The port stays taken for a while after a master that has just crashed."""

    def attempt() -> RabitTracker:
        tracker = RabitTracker(n_workers=world, host_ip=address, port=port, timeout=TRACKER_DEADLINE)
        tracker.start()
        return tracker

    return persist(attempt, f"start the tracker on {address}:{port}")


def join(address: str, port: int, task: str) -> None:
    """Enter the group of replicas."""

    def attempt() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            collective.init(
                dmlc_communicator="rabit",
                dmlc_tracker_uri=address,
                dmlc_tracker_port=port,
                dmlc_task_id=task,
                dmlc_retry=1,
            )

    persist(attempt, f"reach the tracker at {address}:{port}")


def share(features: np.ndarray, labels: np.ndarray) -> xgboost.DMatrix:
    """This rank's rows: every world-size-th, so that the shares differ by one row at most."""
    rows = slice(collective.get_rank(), None, collective.get_world_size())
    return xgboost.DMatrix(features[rows], label=labels[rows], nthread=1)


def train(rounds: int) -> xgboost.Booster:
    x_train, x_test, y_train, y_test = split()
    training, testing = share(x_train, y_train), share(x_test, y_test)
    rank, world = collective.get_rank(), collective.get_world_size()
    print(f"rank {rank} of {world}: {training.num_row()} of {len(x_train)} training rows", flush=True)
    return xgboost.train(
        PARAMETERS,
        training,
        num_boost_round=rounds,
        evals=[(training, "train"), (testing, "test")],
        verbose_eval=False,
        callbacks=[Progress()],
    )


def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The data set, 1,797 images of 8 x 8 pixels, always split in the same way."""
    digits = load_digits()
    x, y = digits.data, digits.target
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=7, stratify=y)
    return x_train, x_test, y_train, y_test


def accuracy(model_file: Path) -> float:
    """Of the model in that file, on all the test rows."""
    _, x_test, _, y_test = split()
    predicted = xgboost.Booster(model_file=model_file).predict(xgboost.DMatrix(x_test, nthread=1)).argmax(axis=1)
    return float((predicted == y_test).mean())


def main() -> None:
    pod, address, port = os.environ["POD_NAME"], os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    output = Path(os.environ.get("OUTPUT_DIR", "."))
    rounds = int(os.environ.get("ROUNDS", "40"))
    world = int(os.environ["WORLD_SIZE"])

    tracker = None
    if pod == address:
        address = os.environ["POD_IP"]
        tracker = start_tracker(address, port, world)

    join(address, port, task=pod)
    model = train(rounds)
    collective.finalize()
    if tracker is None:
        return

    tracker.wait_for()
    output.mkdir(parents=True, exist_ok=True)
    model_file = output / "model.json"
    model.save_model(model_file)
    score = accuracy(model_file)
    metrics = {"accuracy": score, "rounds": rounds, "replicas": world}
    (output / "metrics.json").write_text(json.dumps(metrics) + "\n")
    print(f"model saved to {model_file}")
    print(f"accuracy {score:.4f}", flush=True)


if __name__ == "__main__":
    main()
