"""One text for many objects: the replicas of an owner have much in common, and each text takes memory of its own."""

from msgspec.structs import force_setattr

from kdl_runtime.codec.meta import ObjectMeta

MAX_TEXTS = 20_000


class SharedTexts:
    """Replaces texts of metadata by equal ones that were seen before. Saves some 700 bytes for each pod of a job.

    Of namespaces, values of labels, and owners; names and UIDs of the objects themselves come once only. After
    ``limit`` different texts it begins anew, so that it does not grow with what is long gone.
    """

    def __init__(self, limit: int = MAX_TEXTS) -> None:
        self._limit = limit
        self._known: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._known)

    def share(self, metadata: ObjectMeta) -> None:
        """To be called before anybody else sees the metadata, which is changed in place."""
        if len(self._known) >= self._limit:
            self._known.clear()
        known = self._known.setdefault
        force_setattr(metadata, "namespace", known(metadata.namespace, metadata.namespace))
        labels = metadata.labels
        for name, value in labels.items():
            labels[name] = known(value, value)
        for owner in metadata.owner_references:
            force_setattr(owner, "api_version", known(owner.api_version, owner.api_version))
            force_setattr(owner, "kind", known(owner.kind, owner.kind))
            force_setattr(owner, "name", known(owner.name, owner.name))
            force_setattr(owner, "uid", known(owner.uid, owner.uid))
