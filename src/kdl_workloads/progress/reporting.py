"""All of it together, as an operator has it."""

from dataclasses import dataclass

from kdl_runtime.cache.informer import Informer
from kdl_runtime.manager.manager import Manager
from kdl_runtime.serve.address import Address
from kdl_runtime.serve.server import HttpServer
from kdl_runtime.types import Resource
from kdl_workloads.engine.extension import Extension
from kdl_workloads.engine.view import JobView
from kdl_workloads.progress.annotation import AnnotatedProgress
from kdl_workloads.progress.endpoint import ProgressEndpoint
from kdl_workloads.progress.environment import ReportingEnvironment
from kdl_workloads.progress.target import Jobs
from kdl_workloads.progress.tokens import Tokens
from kdl_workloads.progress.writer import ProgressWriter


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """``address``: where to listen. ``url``: where pods reach that, without a path. ``key``: the same in all operators
    of a cluster; with another one the pods that run cannot report any more."""

    address: Address
    url: str
    key: bytes


class _Server(HttpServer):
    name = "progress"


class Reporting:
    """Takes reports by annotation, and by HTTP if ``options`` are given; ``server`` is where it listens then."""

    def __init__(self, manager: Manager, options: EndpointOptions | None) -> None:
        self._jobs = Jobs()
        writer = ProgressWriter(manager.client, manager.clock, self._jobs)
        manager.add(writer, leader_election=False)
        self.extensions: tuple[Extension, ...] = (AnnotatedProgress(writer),)
        self.server: HttpServer | None = None
        if options is not None:
            tokens = Tokens(options.key)
            endpoint = ProgressEndpoint(self._jobs, tokens, writer, manager.clock)
            self.server = server = _Server(endpoint.app(), options.address)
            manager.add_server(server)
            self.extensions += (ReportingEnvironment(options.url, tokens),)

    def add(self, resource: Resource, jobs: Informer[JobView]) -> None:
        """Take reports for the jobs of a kind."""
        self._jobs.add(resource, jobs)
