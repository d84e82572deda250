"""Train a small network with PyTorch's DistributedDataParallel over Gloo, its points spread over all replicas.

The operator gives each replica MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE, all that the ``env://`` rendezvous
needs. Each rank draws points of its own; DistributedDataParallel averages the gradients. At the end the ranks compare
their parameters, and rank 0 prints the accuracy on points that nobody has trained on as its last line.

Settings (environment): STEPS, steps of training (default 200).
"""

import math
import os
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

RENDEZVOUS_SECONDS = 120
"""For all ranks to meet: a rank may start long before the master's name resolves and its port listens."""
POINTS = 512
REPORT_EVERY = 50


def rings(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points of two rings around the origin, with some noise, and to which of them each belongs."""
    generator = torch.Generator().manual_seed(seed)
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    label = (torch.rand(count, generator=generator) < 0.5).float()
    radius = 1 + label + 0.1 * torch.randn(count, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


def train(steps: int) -> nn.Module:
    rank, world = distributed.get_rank(), distributed.get_world_size()
    torch.manual_seed(7)
    network = DistributedDataParallel(nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(0)))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    points, labels = rings(POINTS, seed=rank)
    print(f"rank {rank} of {world}: {POINTS} of {POINTS * world} points", flush=True)
    for step in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(network(points), labels)
        loss.backward()
        optimizer.step()
        if step % REPORT_EVERY == 0 or step == steps - 1:
            print(f"step {step}: loss {float(loss):.4f}", flush=True)
    return network


def agree(network: nn.Module) -> None:
    """Ends the program if any rank has other parameters than this one."""
    mine = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    all_of_them = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(all_of_them, mine)
    if not all(torch.equal(mine, other) for other in all_of_them):
        raise SystemExit("the parameters differ between ranks")


def main() -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", timeout=timedelta(seconds=RENDEZVOUS_SECONDS))
    network = train(int(os.environ.get("STEPS", "200")))
    agree(network)
    points, labels = rings(2000, seed=1000)
    accuracy = float(((network(points) > 0).float() == labels).float().mean())
    distributed.barrier()
    distributed.destroy_process_group()
    print(f"accuracy {accuracy:.4f}", flush=True)


if __name__ == "__main__":
    main()
