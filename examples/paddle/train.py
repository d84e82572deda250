"""Replicas train one network with DataParallel, which adds up their gradients over Gloo.

Started by ``python -m paddle.distributed.launch``, which reads the variables that the operator sets: the launchers meet
at the first replica, and each starts this program with a rank. Each has its share of the points of two interleaved
spirals, and all have the same parameters after every step.

Settings (environment): STEPS (default 150).
"""

import os

import numpy as np
import paddle
import paddle.distributed as dist
from paddle import nn

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
    paddle.set_device("cpu")
    dist.init_parallel_env()
    rank, world = dist.get_rank(), dist.get_world_size()
    print(f"rank {rank} of {world}: {POINTS} points", flush=True)
    paddle.seed(1)
    layers = (nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    network = paddle.DataParallel(nn.Sequential(*layers))
    optimizer = paddle.optimizer.Adam(RATE, parameters=network.parameters())
    points, labels = (paddle.to_tensor(part) for part in spirals(POINTS, seed=rank))
    for step in range(1, int(os.environ.get("STEPS", "150")) + 1):
        loss = nn.functional.binary_cross_entropy_with_logits(network(points)[:, 0], labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        if step % 25 == 0:
            print(f"step {step}: loss {float(loss):.4f}", flush=True)
    unseen, wanted = spirals(2 * POINTS, seed=1000)
    guessed = network(paddle.to_tensor(unseen)).numpy()[:, 0] > 0
    print(f"accuracy {float(np.mean(guessed == (wanted > 0.5))):.4f}", flush=True)


if __name__ == "__main__":
    main()
