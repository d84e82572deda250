"""Resources that everybody needs, and the lookup from a kind to the resource that serves it."""

from collections.abc import Iterable, Iterator

from kdl_runtime.types import GroupVersionKind, Resource, parse_api_version

PODS = Resource("", "v1", "Pod", "pods")
SERVICES = Resource("", "v1", "Service", "services")
CONFIGMAPS = Resource("", "v1", "ConfigMap", "configmaps")
SECRETS = Resource("", "v1", "Secret", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "ServiceAccount", "serviceaccounts")
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
RESOURCE_QUOTAS = Resource("", "v1", "ResourceQuota", "resourcequotas")
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
PERSISTENT_VOLUMES = Resource("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
EVENTS = Resource("events.k8s.io", "v1", "Event", "events")
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases")
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
JOBS = Resource("batch", "v1", "Job", "jobs")
INGRESSES = Resource("networking.k8s.io", "v1", "Ingress", "ingresses")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
ROLES = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
PRIORITY_CLASSES = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", namespaced=False)
CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)

BUILT_IN = (
    *(PODS, SERVICES, CONFIGMAPS, SECRETS, SERVICE_ACCOUNTS, PERSISTENT_VOLUME_CLAIMS, RESOURCE_QUOTAS, NODES),
    *(NAMESPACES, PERSISTENT_VOLUMES, EVENTS, LEASES, DEPLOYMENTS, JOBS, INGRESSES, NETWORK_POLICIES),
    *(POD_DISRUPTION_BUDGETS, ROLES, ROLE_BINDINGS, PRIORITY_CLASSES, CRDS),
)


class Registry:
    """Resources by kind and by plural, without asking a server.

    The first version that is added of a kind or plural is the one that a lookup without version finds.
    """

    def __init__(self, resources: Iterable[Resource] = BUILT_IN) -> None:
        self._by_kind: dict[GroupVersionKind, Resource] = {}
        self._by_plural: dict[tuple[str, str, str], Resource] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Adding the same again changes nothing. ValueError if its kind or plural belongs to another resource."""
        plural = (resource.group, resource.version, resource.plural)
        known = self._by_kind.get(resource.gvk) or self._by_plural.get(plural)
        if known is not None and known != resource:
            raise ValueError(f"{resource} cannot be registered: {known} has its kind or plural already")
        self._by_kind[resource.gvk] = resource
        self._by_plural[plural] = resource

    def by_kind(self, group: str, kind: str, version: str = "") -> Resource | None:
        """The resource of a kind; None if nobody has added it. An empty version finds any."""
        if version:
            return self._by_kind.get(GroupVersionKind(group, version, kind))
        return next((item for item in self if (item.group, item.kind) == (group, kind)), None)

    def by_plural(self, group: str, plural: str, version: str = "") -> Resource | None:
        """As ``by_kind``, with the name in URLs."""
        if version:
            return self._by_plural.get((group, version, plural))
        return next((item for item in self if (item.group, item.plural) == (group, plural)), None)

    def of(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object with this apiVersion and kind."""
        group, version = parse_api_version(api_version)
        return self._by_kind.get(GroupVersionKind(group, version, kind))

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_kind.values())
