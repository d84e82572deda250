"""Nodes that kwok plays: their pods only seem to run, as the pods' annotations say."""

from pathlib import Path

from kdl_runtime.client.client import Client

CONFIGURATION = Path(__file__).with_name("fake_nodes.yaml")


async def create(client: Client, count: int, *, tainted: bool = False) -> list[str]:
    return []
