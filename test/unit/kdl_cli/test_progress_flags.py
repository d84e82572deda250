"""From the flags of ``kdl operator`` to the endpoint for progress."""

import dataclasses

import pytest

from kdl_cli.commands.operator import command
from kdl_cli.errors import CliError
from kdl_cli.operating import progress_endpoint
from kdl_cli.operatorflags import OperatorFlags
from kdl_runtime.resources.registry import SECRETS
from kdl_runtime.serve.address import Address
from unit.kdl_workloads.operator.cluster import Cluster, Operator, on_virtual_time

LISTEN = ("--progress-bind-address", "127.0.0.1:8082")


def flags(*arguments: str) -> OperatorFlags:
    context = command.make_context("operator", list(arguments))
    names = [field.name for field in dataclasses.fields(OperatorFlags)]
    return OperatorFlags(**{name: context.params[name] for name in names})


@on_virtual_time
async def test_the_key_is_made_once() -> None:
    cluster = Cluster()
    client = Operator(cluster, build_controllers=False).manager.client
    given = flags(*LISTEN, "--progress-url", "http://service.ns.svc:8082")
    first, second = [await progress_endpoint(given, client, "default") for _ in range(2)]
    assert first is not None
    assert first == second
    assert (first.address, first.url) == (Address("127.0.0.1", 8082), "http://service.ns.svc:8082")
    assert [secret["metadata"]["name"] for secret in cluster.direct.list(SECRETS, "default")] == [
        "kdl-operator-progress"
    ]


@on_virtual_time
async def test_nothing_is_asked_for_where_nobody_listens() -> None:
    cluster = Cluster()
    operator = Operator(cluster, build_controllers=False)
    assert await progress_endpoint(flags(), operator.manager.client, "default") is None
    assert operator.transport.requests == 0


@pytest.mark.parametrize("url", [(), ("--progress-url", "host:8082"), ("--progress-url", "http://")])
def test_an_endpoint_that_pods_cannot_know_is_refused(url: tuple[str, ...]) -> None:
    @on_virtual_time
    async def test() -> None:
        client = Operator(Cluster(), build_controllers=False).manager.client
        with pytest.raises(CliError, match="--progress-url: say how pods reach --progress-bind-address"):
            await progress_endpoint(flags(*LISTEN, *url), client, "default")

    test()
