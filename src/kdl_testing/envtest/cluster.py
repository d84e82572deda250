"""What tests do with a cluster, whether they have started it or found it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from kdl_runtime.client.client import Client
from kdl_runtime.transport.config import ClusterConfig
from kdl_testing.envtest import crds as definitions
from kdl_testing.envtest import fake_nodes, users, webhooks
from kdl_testing.envtest.calls import call

T = TypeVar("T")


class Cluster(ABC):
    """A cluster that the caller may do everything in.

    Methods block until they are done, and may be called from any thread; in a coroutine call them by
    ``asyncio.to_thread``.
    """

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    @abstractmethod
    def config(self) -> ClusterConfig:
        """How to reach it, as a user who may do everything; for the runtime's ``HttpTransport``."""

    @property
    @abstractmethod
    def kubeconfig(self) -> Path:
        """The same as a file."""

    @property
    def url(self) -> str:
        """Of the API server, such as https://127.0.0.1:12345."""
        return self.config.server

    @abstractmethod
    def user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig (0600) of a user, who may do what roles that are bound to the name or the groups allow."""

    @abstractmethod
    def new_kubeconfig_path(self, name: str) -> Path:
        """Where to write a further kubeconfig; it goes with the cluster's other files."""

    def service_account(self, account: users.ServiceAccount) -> Path:
        """A kubeconfig (0600) with a token of a ServiceAccount, which is made if it is not there; its namespace must
        be. ApiError."""
        config = self.call(lambda client: users.with_token(client, self.config, account))
        return users.write(self.new_kubeconfig_path(f"{account.namespace}.{account.name}"), config)

    def install_crds(
        self, crds: Sequence[Path | Mapping[str, Any]], conversion: webhooks.WebhookEndpoint | None = None
    ) -> None:
        """Installs CRDs from files, directories or objects, and waits until they are served. CrdError.

        ``conversion``: what is called for those whose versions a webhook converts; it has to answer already if there
        are objects.
        """
        loaded = definitions.load(crds)
        if conversion is not None:
            loaded = [webhooks.redirected(item, conversion) for item in loaded]
        self.call(lambda client: definitions.install(client, loaded))

    def install_webhooks(
        self, configurations: Sequence[Path | Mapping[str, Any]], endpoint: webhooks.WebhookEndpoint
    ) -> None:
        """Installs the webhook configurations in files, directories or objects such that they call the endpoint. The
        API server follows within moments. ManifestError, ApiError."""
        loaded = webhooks.load(configurations)
        self.call(lambda client: webhooks.install(client, loaded, endpoint))

    def create_fake_nodes(self, nodes: fake_nodes.FakeNodes | int = 1) -> list[str]:
        """Makes nodes that kwok plays, so many or as described, and waits until they are Ready. Their names, fake-0 and
        so on. Needs the component kwok, and kube-controller-manager for pods to come to them. FakeNodesError."""
        wanted = fake_nodes.FakeNodes(nodes) if isinstance(nodes, int) else nodes
        return self.call(lambda client: fake_nodes.create(client, wanted))

    def call(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Runs a coroutine with a client of the cluster, in a thread and an event loop of its own."""
        return call(self.config, work)
