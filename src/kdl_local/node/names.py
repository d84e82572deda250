"""Names of services and pods, and the hosts file that makes them resolve. Pure.

The names are those that cluster DNS would have (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/).
There is no proxy, so the name of a service leads to its pods also where it has a cluster IP: the pod's port counts, not
the service's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kdl_local.pods import condition, is_deleting, is_finished
from kdl_runtime.types import ObjectKey

Object = Mapping[str, Any]

DOMAIN = "cluster.local"

_HEADER = """# Hosts file of a pod, kept up to date by kdl.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod as name resolution sees it. ``hostname`` and ``subdomain`` are from its spec."""

    address: str
    ready: bool
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    hostname: str = ""
    subdomain: str = ""


@dataclass(frozen=True, slots=True)
class ServiceView:
    selector: Mapping[str, str] = field(default_factory=dict, hash=False)
    publish_not_ready: bool = False

    def selects(self, endpoint: Endpoint) -> bool:
        if not self.selector or not (endpoint.ready or self.publish_not_ready):
            return False
        return all(endpoint.labels.get(key) == value for key, value in self.selector.items())


def endpoint_of(pod: Object) -> Endpoint | None:
    """None for a pod without an address, or with one that means nothing any more."""
    address = (pod.get("status") or {}).get("podIP")
    if not address or is_finished(pod):
        return None
    ready = condition(pod, "Ready")
    spec, metadata = pod["spec"], pod["metadata"]
    return Endpoint(
        address=address,
        ready=ready is not None and ready["status"] == "True" and not is_deleting(pod),
        labels=dict(metadata.get("labels") or {}),
        hostname=spec.get("hostname") or "",
        subdomain=spec.get("subdomain") or "",
    )


def service_view(service: Object) -> ServiceView:
    spec = service.get("spec") or {}
    return ServiceView(dict(spec.get("selector") or {}), bool(spec.get("publishNotReadyAddresses")))


Lines = tuple[tuple[str, str], ...]
"""Pairs of an address and a name without its namespace, such as ``("127.64.0.1", "w-0.w")``."""


class NameTable:
    """What each service resolves to, kept up to date by changes: one change costs what it touches, not all services."""

    def __init__(self) -> None:
        self._pods: dict[ObjectKey, Endpoint] = {}
        self._services: dict[ObjectKey, ServiceView] = {}
        self._pods_by_label: dict[tuple[str, str, str], set[ObjectKey]] = {}
        self._services_by_label: dict[tuple[str, str, str], set[ObjectKey]] = {}
        self._lines: dict[ObjectKey, Lines] = {}
        self.revision = 0
        """Grows when some name resolves to something else than before."""

    def put_pod(self, key: ObjectKey, endpoint: Endpoint | None) -> None:
        old = self._pods.get(key)
        if old == endpoint:
            return
        touched = self._selecting(key, old) | self._selecting(key, endpoint)
        _index(self._pods_by_label, key, old.labels if old else {}, remove=True)
        if endpoint is None:
            self._pods.pop(key, None)
        else:
            self._pods[key] = endpoint
            _index(self._pods_by_label, key, endpoint.labels)
        for service in touched:
            self._resolve(service)

    def put_service(self, key: ObjectKey, service: ServiceView | None) -> None:
        old = self._services.get(key)
        _index(self._services_by_label, key, _key_label(old), remove=True)
        if service is None:
            self._services.pop(key, None)
        else:
            self._services[key] = service
            _index(self._services_by_label, key, _key_label(service))
        self._resolve(key)

    def lines(self, namespace: str) -> list[tuple[str, str]]:
        """Address and names, one pair per line of a hosts file of a pod in this namespace."""
        found = []
        for service, lines in sorted(self._lines.items()):
            for address, name in lines:
                qualified = f"{name}.{service.namespace}"
                names = [qualified, f"{qualified}.svc", f"{qualified}.svc.{DOMAIN}"]
                if service.namespace == namespace:
                    names.insert(0, name)
                found.append((address, " ".join(names)))
        return found

    def _selecting(self, key: ObjectKey, endpoint: Endpoint | None) -> set[ObjectKey]:
        """Services that may select this pod."""
        found: set[ObjectKey] = set()
        for label, value in endpoint.labels.items() if endpoint else ():
            found |= self._services_by_label.get((key.namespace, label, value), set())
        return found

    def _resolve(self, key: ObjectKey) -> None:
        service = self._services.get(key)
        lines: list[tuple[str, str]] = []
        for _, endpoint in sorted(self._candidates(key, service)):
            if service is not None and service.selects(endpoint):
                lines.append((endpoint.address, key.name))
                if endpoint.hostname and endpoint.subdomain == key.name:
                    lines.append((endpoint.address, f"{endpoint.hostname}.{key.name}"))
        if self._lines.get(key, ()) == tuple(lines):
            return
        self.revision += 1
        if lines:
            self._lines[key] = tuple(lines)
        else:
            del self._lines[key]

    def _candidates(self, key: ObjectKey, service: ServiceView | None) -> Iterable[tuple[ObjectKey, Endpoint]]:
        if service is None or not service.selector:
            return []
        sets = [self._pods_by_label.get((key.namespace, *item), set()) for item in service.selector.items()]
        return [(pod, self._pods[pod]) for pod in min(sets, key=len)]


def _key_label(service: ServiceView | None) -> Mapping[str, str]:
    """One label of the selector, the last in order: under it a service is found from the pods that have it."""
    if service is None or not service.selector:
        return {}
    label = max(service.selector)
    return {label: service.selector[label]}


def _index(
    index: dict[tuple[str, str, str], set[ObjectKey]],
    key: ObjectKey,
    labels: Mapping[str, str],
    *,
    remove: bool = False,
) -> None:
    for label, value in labels.items():
        entry = (key.namespace, label, value)
        keys = index.setdefault(entry, set())
        if remove:
            keys.discard(key)
            if not keys:
                del index[entry]
        else:
            keys.add(key)


@dataclass(frozen=True, slots=True)
class HostsView:
    """What a pod's hosts file holds besides the services. ``server``: where the names of the API server lead."""

    namespace: str
    hostname: str
    address: str
    subdomain: str = ""
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    server: str = "127.0.0.1"


def hosts_view(pod: Object, address: str) -> HostsView:
    spec, metadata = pod["spec"], pod["metadata"]
    return HostsView(
        namespace=metadata["namespace"],
        hostname=spec.get("hostname") or metadata["name"][:63],
        address=address,
        subdomain=spec.get("subdomain") or "",
        aliases=tuple((item["ip"], tuple(item.get("hostnames") or ())) for item in spec.get("hostAliases") or ()),
    )


def hosts_file(view: HostsView, services: Iterable[tuple[str, str]], host_lines: Iterable[str] = ()) -> str:
    """The text of a pod's hosts file; ``host_lines`` are the entries that the host itself has."""
    own = view.hostname
    if view.subdomain:
        own = f"{view.hostname}.{view.subdomain}.{view.namespace}.svc.{DOMAIN} {view.hostname}"
    server = "kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local"
    lines = [f"{view.address}\t{own}", f"{view.server}\t{server}"]
    lines += [f"{address}\t{' '.join(names)}" for address, names in view.aliases]
    lines += [f"{address}\t{names}" for address, names in services]
    lines += host_lines
    return _HEADER + "\n".join(lines) + "\n"


def host_entries(text: str) -> list[str]:
    """Lines of the host's own hosts file that a pod can use: all but comments and those of localhost."""
    kept = []
    for line in text.splitlines():
        fields = line.split("#")[0].split()
        if len(fields) > 1 and not {"localhost", "ip6-localhost"} & set(fields[1:]):
            kept.append(f"{fields[0]}\t{' '.join(fields[1:])}")
    return kept
