"""A Chief and Workers train one network with MultiWorkerMirroredStrategy, which reads TF_CONFIG.

Each replica holds its share of the points of two interleaved spirals, the strategy adds up the gradients of all (gRPC,
ring), and all have the same parameters after every step.

Settings (environment): STEPS (default 200).
"""

import os

import numpy as np
import tensorflow as tf

POINTS = 512
HIDDEN = 64
RATE = 0.002


def spirals(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of two spirals, and which of the two each belongs to."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, points)
    angle = generator.uniform(0.5, 2 * np.pi, points)
    turned = angle + np.pi * labels
    place = np.stack([angle * np.cos(turned), angle * np.sin(turned)], axis=1)
    return (place / 3 + generator.normal(0, 0.03, place.shape)).astype("float32"), labels.astype("float32")


class Network:
    """Two hidden layers, trained with Adam. Made in the scope of a strategy, its variables are mirrored."""

    def __init__(self) -> None:
        sizes = [(2, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 1)]
        drawn = [tf.random.stateless_normal(size, seed=(1, i)) / size[0] ** 0.5 for i, size in enumerate(sizes)]
        self.weights = [tf.Variable(value) for value in drawn]
        self.offsets = [tf.Variable(tf.zeros(size[1])) for size in sizes]
        self.variables = [*self.weights, *self.offsets]
        self._means = [tf.Variable(tf.zeros_like(variable)) for variable in self.variables]
        self._squares = [tf.Variable(tf.zeros_like(variable)) for variable in self.variables]

    def logits(self, places: tf.Tensor) -> tf.Tensor:
        for weight, offset in zip(self.weights[:-1], self.offsets[:-1], strict=True):
            places = tf.nn.relu(tf.matmul(places, weight) + offset)
        return (tf.matmul(places, self.weights[-1]) + self.offsets[-1])[:, 0]

    def loss(self, places: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, self.logits(places)))

    def update(self, gradients: list[tf.Tensor]) -> None:
        slots = zip(self.variables, gradients, self._means, self._squares, strict=True)
        for variable, gradient, mean, square in slots:
            mean.assign(0.9 * mean + 0.1 * gradient)
            square.assign(0.999 * square + 0.001 * gradient**2)
            variable.assign_sub(RATE * mean / (tf.sqrt(square) + 1e-4))


def main() -> None:
    ring = tf.distribute.experimental.CommunicationImplementation.RING
    options = tf.distribute.experimental.CommunicationOptions(implementation=ring)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    resolver, world = strategy.cluster_resolver, strategy.num_replicas_in_sync
    role, index = resolver.task_type, resolver.task_id
    places, labels = spirals(POINTS, seed=index if role == "chief" else index + 1)
    print(f"{role} {index}: {POINTS} of {POINTS * world} points", flush=True)
    with strategy.scope():
        network = Network()

    def replica_step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = network.loss(places, labels)
        context = tf.distribute.get_replica_context()
        network.update(context.all_reduce(tf.distribute.ReduceOp.MEAN, tape.gradient(loss, network.variables)))
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, loss)

    def one_step() -> tf.Tensor:
        return strategy.run(replica_step)

    step = tf.function(one_step)
    steps = int(os.environ.get("STEPS", "200"))
    for number in range(steps):
        loss = step()
        if number % 50 == 0 or number == steps - 1:
            print(f"step {number}: loss {float(loss):.4f}", flush=True)
    unseen, wanted = spirals(2000, seed=1000)
    print(f"accuracy {float(np.mean((network.logits(unseen) > 0) == (wanted > 0.5))):.4f}", flush=True)


if __name__ == "__main__":
    main()
