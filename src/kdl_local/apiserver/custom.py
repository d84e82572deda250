"""CustomResourceDefinitions at work: serving the types that they declare, and taking them down again."""

from dataclasses import replace

from kdl_local.apiserver import crd
from kdl_local.apiserver.deletion import DeleteOptions
from kdl_local.apiserver.registry import Registry, WriteOptions
from kdl_local.apiserver.storage import Entry
from kdl_local.apiserver.types import Object, ResourceType, ResourceTypes
from kdl_runtime.clock import Clock
from kdl_runtime.types import ObjectKey, Resource

CRDS = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)


class CustomResources:
    """Keeps ``types`` in step with the stored CRDs; observes every write of the registry."""

    def __init__(self, types: ResourceTypes, registry: Registry, clock: Clock) -> None:
        self._types = types
        self._registry = registry
        self._clock = clock
        self._served: dict[str, tuple[str, int]] = {}  # UID and generation of each CRD that has been established
        registry.observers.append(self._observe)

    def _observe(self, type_: ResourceType, entry: Entry, gone: bool) -> None:
        if type_.storage_resource == CRDS:
            if gone:
                self._withdraw(entry.object)
            elif "deletionTimestamp" in entry.object["metadata"]:
                self._take_down(type_, entry.object)
            else:
                self._serve(type_, entry.object)
        elif type_.custom and gone:
            self._finish(type_)

    def _serve(self, type_: ResourceType, obj: Object) -> None:
        meta = obj["metadata"]
        if self._served.get(meta["name"]) == (meta["uid"], meta["generation"]):
            return
        found = crd.establish(obj, self._types, self._clock.now())
        if found.types or meta["name"] in self._served:
            self._types.replace(found.group, found.plural, found.types)
        if found.types:
            self._served[meta["name"]] = (meta["uid"], meta["generation"])
        if found.status != obj.get("status"):
            options = WriteOptions(subresource="status", unconditional=True)
            key = ObjectKey("", meta["name"])
            self._registry.update(
                type_, key, lambda old: {**old, "metadata": dict(old["metadata"]), "status": found.status}, options
            )

    def _take_down(self, type_: ResourceType, obj: Object) -> None:
        """Deletes the objects of a CRD that is being deleted; the CRD stays until the last of them is gone."""
        spec = obj["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        if obj["metadata"]["name"] in self._served:
            # Reading and deleting goes on, so that whoever holds a finalizer can do its work.
            types = [replace(item, verbs=item.verbs - {"create"}) for item in crd.resource_types(obj)]
            self._types.replace(group, plural, types)
        own = crd.resource_types(_all_served(obj))[0]
        collection = self._registry.collection(own)
        for entry in collection.entries():
            if "deletionTimestamp" not in entry.object["metadata"]:
                self._registry.delete(own, entry.key, DeleteOptions())
        if not len(collection):
            self._release(type_, obj["metadata"]["name"])

    def _finish(self, type_: ResourceType) -> None:
        if len(self._registry.collection(type_)):
            return
        definitions = self._types.of(CRDS)
        name = type_.resource.group_resource
        entry = self._registry.store.collection(CRDS).get(ObjectKey("", name))
        if definitions and entry and "deletionTimestamp" in entry.object["metadata"]:
            self._release(definitions, name)

    def _release(self, type_: ResourceType, name: str) -> None:
        def without_finalizer(old: Object) -> Object:
            meta = dict(old["metadata"])
            meta["finalizers"] = [item for item in meta.get("finalizers") or () if item != crd.CLEANUP_FINALIZER]
            return {**old, "metadata": meta}

        key = ObjectKey("", name)
        if self._registry.store.collection(CRDS).get(key) is not None:
            self._registry.update(type_, key, without_finalizer, WriteOptions(unconditional=True))

    def _withdraw(self, obj: Object) -> None:
        meta, spec = obj["metadata"], obj["spec"]
        if self._served.pop(meta["name"], None):
            self._types.remove(spec["group"], spec["names"]["plural"])
        # A name that the CRD held may be what another one waits for.
        definitions = self._types.of(CRDS)
        if definitions is not None:
            for entry in self._registry.store.collection(CRDS).entries():
                if "deletionTimestamp" not in entry.object["metadata"]:
                    self._serve(definitions, entry.object)


def _all_served(obj: Object) -> Object:
    """The CRD with all of its versions served: its objects are to be reached whatever it says."""
    spec = obj["spec"]
    return {**obj, "spec": {**spec, "versions": [{**version, "served": True} for version in spec["versions"]]}}
