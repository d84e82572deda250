"""Workers train one network through parameter servers: Gluon's Trainer with the key-value store dist_sync.

MXNet reads the variables that the operator sets (DMLC_*). The scheduler and the servers serve as soon as they import
it, until the workers have ended; only workers come to what follows. Each has its share of the points of two interleaved
spirals, and all have the same parameters after every step.

Settings (environment): STEPS (default 150).
"""

import os

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

POINTS = 512
HIDDEN = 64
RATE = 0.01


def spirals(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of two spirals, and which of the two each belongs to."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, points)
    angle = generator.uniform(0.5, 2 * np.pi, points)
    turned = angle + np.pi * labels
    place = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1)
    return (place / 3 + generator.normal(0, 0.03, place.shape)).astype("float32"), labels.astype("float32")


def main() -> None:
    store = mx.kv.create("dist_sync")
    print(f"worker {store.rank} of {store.num_workers}: {POINTS} points", flush=True)
    mx.random.seed(1)
    network = gluon.nn.HybridSequential()
    for _ in range(2):
        network.add(gluon.nn.Dense(HIDDEN, activation="relu"))
    network.add(gluon.nn.Dense(1))
    network.initialize(mx.init.Xavier())
    points, labels = (mx.nd.array(part) for part in spirals(POINTS, seed=store.rank))
    network(points)
    trainer = gluon.Trainer(network.collect_params(), "adam", {"learning_rate": RATE}, kvstore=store)
    loss_of = gluon.loss.SigmoidBinaryCrossEntropyLoss()
    for step in range(1, int(os.environ.get("STEPS", "150")) + 1):
        with autograd.record():
            loss = loss_of(network(points), labels)
        loss.backward()
        trainer.step(POINTS * store.num_workers)
        if step % 25 == 0:
            print(f"step {step}: loss {float(loss.mean().asscalar()):.4f}", flush=True)
    unseen, wanted = spirals(2 * POINTS, seed=1000)
    guessed = network(mx.nd.array(unseen)).asnumpy()[:, 0] > 0
    print(f"accuracy {float(np.mean(guessed == (wanted > 0.5))):.4f}", flush=True)


if __name__ == "__main__":
    main()
