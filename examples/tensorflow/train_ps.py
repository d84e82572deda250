"""A Chief trains a network with ParameterServerStrategy: the parameters are on the PS replicas, the Workers compute.

All replicas run this program, and TF_CONFIG says what each of them is. Workers and parameter servers only serve; the
Chief hands out the steps, and its end is the job's.

Settings (environment): STEPS (default 400).
"""

import os

import numpy as np
import tensorflow as tf

BATCH = 128


def rings(points: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a disc and of the ring around it, and which of the two each belongs to."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, points)
    radius = generator.uniform(0, 0.5, points) + 0.6 * labels
    angle = generator.uniform(0, 2 * np.pi, points)
    place = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return place.astype("float32"), labels.astype("float32")


def train(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> None:
    strategy = tf.distribute.ParameterServerStrategy(resolver)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    with strategy.scope():
        hidden = tf.Variable(tf.random.stateless_normal((2, 32), seed=(1, 1)))
        offset = tf.Variable(tf.zeros(32))
        output = tf.Variable(tf.random.stateless_normal((32, 1), seed=(1, 2)) / 4)

    def logits(places: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.nn.relu(tf.matmul(places, hidden) + offset), output)[:, 0]

    places, labels = rings(4096, seed=1)

    def one_step(first: tf.Tensor) -> tf.Tensor:
        batch = (tf.range(BATCH) + first * BATCH) % len(labels)
        with tf.GradientTape() as tape:
            guess = logits(tf.gather(places, batch))
            losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.gather(labels, batch), guess)
            loss = tf.reduce_mean(losses)
        variables = [hidden, offset, output]
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.5 * gradient)
        return loss

    step = tf.function(one_step)
    steps = int(os.environ.get("STEPS", "400"))
    for number in range(steps):
        loss = coordinator.schedule(step, args=(tf.constant(number),))
        if number % 100 == 99:
            coordinator.join()
            print(f"step {number}: loss {loss.fetch():.4f}", flush=True)
    coordinator.join()
    unseen, wanted = rings(2000, seed=2)
    print(f"accuracy {float(np.mean((logits(unseen) > 0) == (wanted > 0.5))):.4f}", flush=True)


def main() -> None:
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    role, index = resolver.task_type, resolver.task_id
    print(
        f"{role} {index} of { {name: len(found) for name, found in resolver.cluster_spec().as_dict().items()} }",
        flush=True,
    )
    if role in ("worker", "ps"):
        server = tf.distribute.Server(
            resolver.cluster_spec(), job_name=role, task_index=index, protocol=resolver.rpc_layer or "grpc"
        )
        server.join()
    else:
        train(resolver)


if __name__ == "__main__":
    main()
