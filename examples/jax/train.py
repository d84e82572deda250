"""Train a small neural network with JAX, its data spread over all processes of a JAXJob.

The operator gives each replica COORDINATOR_ADDRESS, COORDINATOR_PORT, NUM_PROCESSES and PROCESS_ID, which is what
``jax.distributed.initialize`` asks for; the job's YAML adds the pod's own POD_IP. All processes see one mesh of
devices. Each one makes its share of the points of two interleaved spirals; the parameters are copied to all. The
compiler puts the sums over processes into the gradient by itself. At the end every process compares its parameters with
those of the others, and prints the accuracy on points that nobody has trained on as its last line.

Settings (environment): STEPS, gradient steps (default 400).
"""

import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

MEETING_DEADLINE = 120
"""Seconds for all processes to meet: one may start long before the coordinator's name resolves and its port listens."""
REPORT_EVERY = 100
POINTS = 1536
HIDDEN = 48
RATE = 0.01
DECAY = (0.9, 0.99)

Parameters = dict[str, jax.Array]


def meet() -> None:
    """Enter the group of processes."""
    port, rank = os.environ["COORDINATOR_PORT"], int(os.environ["PROCESS_ID"])
    jax.distributed.initialize(
        coordinator_address=f"{os.environ['COORDINATOR_ADDRESS']}:{port}",
        num_processes=int(os.environ["NUM_PROCESSES"]),
        process_id=rank,
        initialization_timeout=MEETING_DEADLINE,
        coordinator_bind_address=f"{os.environ['POD_IP']}:{port}" if rank == 0 else None,
    )


def spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of two interleaved spirals, and which of them each point is on."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, count)
    turn = np.sqrt(random.uniform(0.02, 1, count)) * 3 * np.pi
    angle = turn + label * np.pi
    points = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) / 10 + random.normal(0, 0.01, (count, 2))
    return points.astype(np.float32), label.astype(np.float32)


def start(seed: int) -> Parameters:
    """The same in every process."""
    random = np.random.default_rng(seed)
    shapes = {"a": (2, HIDDEN), "p": (HIDDEN,), "b": (HIDDEN, HIDDEN), "q": (HIDDEN,), "c": (HIDDEN,)}
    return {
        name: jnp.asarray(random.normal(0, np.sqrt(2 / shape[0]) if name in "abc" else 0.5, shape), jnp.float32)
        for name, shape in shapes.items()
    }


def logits(parameters: Parameters, points: jax.Array) -> jax.Array:
    hidden = jnp.tanh(3 * points @ parameters["a"] + parameters["p"])
    return jnp.tanh(hidden @ parameters["b"] + parameters["q"]) @ parameters["c"]


def loss(parameters: Parameters, points: jax.Array, labels: jax.Array) -> jax.Array:
    """Over the points of all processes."""
    signs = 2 * labels - 1
    return jnp.mean(jax.nn.softplus(-signs * logits(parameters, points)))


@partial(jax.jit, donate_argnums=(0, 1))
def step(
    parameters: Parameters, moments: tuple[Parameters, Parameters], count: int, points: jax.Array, labels: jax.Array
) -> tuple[Parameters, tuple[Parameters, Parameters], jax.Array]:
    """One step of Adam."""
    value, gradient = jax.value_and_grad(loss)(parameters, points, labels)
    first = jax.tree.map(lambda m, g: DECAY[0] * m + (1 - DECAY[0]) * g, moments[0], gradient)
    second = jax.tree.map(lambda m, g: DECAY[1] * m + (1 - DECAY[1]) * g * g, moments[1], gradient)
    scale = jnp.sqrt(1 - DECAY[1] ** count) / (1 - DECAY[0] ** count)
    moved = jax.tree.map(lambda p, m, v: p - RATE * scale * m / (jnp.sqrt(v) + 1e-8), parameters, first, second)
    return moved, (first, second), value


def train(steps: int) -> Parameters:
    rank, world = jax.process_index(), jax.process_count()
    mesh = Mesh(np.array(jax.devices()), ("data",))
    spread, copied = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    # Every device holds as many points as any other.
    mine = POINTS // len(jax.devices()) * len(jax.local_devices())
    points, labels = (jax.make_array_from_process_local_data(spread, part) for part in spirals(mine, seed=rank))
    print(f"process {rank} of {world}: {mine} of {len(points)} points", flush=True)
    parameters: Parameters = jax.device_put(start(seed=7), copied)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    moments = (zeros, jax.tree.map(jnp.copy, zeros))
    for number in range(steps):
        parameters, moments, value = step(parameters, moments, number + 1, points, labels)
        if number % REPORT_EVERY == 0 or number == steps - 1:
            print(f"step {number}: loss {float(value):.4f}", flush=True)
    return parameters


def main() -> None:
    meet()
    parameters = {name: np.asarray(value) for name, value in train(int(os.environ.get("STEPS", "400"))).items()}
    multihost_utils.assert_equal(parameters, "the parameters differ between processes")
    points, labels = spirals(2000, seed=1000)
    accuracy = float(np.mean((np.asarray(logits(parameters, points)) > 0) == (labels > 0.5)))
    jax.distributed.shutdown()
    print(f"accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
