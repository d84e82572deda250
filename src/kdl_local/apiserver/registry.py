"""Reading and writing of stored objects: the rules that hold whoever asks, over HTTP or in process."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kdl_local.apiserver import deletion, metadata, strategy
from kdl_local.apiserver.admission import admit_create, admit_delete
from kdl_local.apiserver.apply.owners import same_but_for_times
from kdl_local.apiserver.apply.writes import FIELD as OWNERS
from kdl_local.apiserver.apply.writes import Author, Ownership, Stated, set_owners, take_owners
from kdl_local.apiserver.deletion import DeleteOptions
from kdl_local.apiserver.events import CORE_EVENTS
from kdl_local.apiserver.fields import FieldError, invalid_object
from kdl_local.apiserver.identity import Identities
from kdl_local.apiserver.scale import replica_errors
from kdl_local.apiserver.schema import BLOCKING
from kdl_local.apiserver.statuses import Undecodable, already_exists, conflict, forbidden, nameless, not_found
from kdl_local.apiserver.storage import Collection, Entry, Store
from kdl_local.apiserver.types import Object, ResourceType
from kdl_runtime.clock import Clock
from kdl_runtime.codec.json import Raw
from kdl_runtime.codec.times import format_time
from kdl_runtime.errors import BadRequest
from kdl_runtime.types import ObjectKey, parse_api_version

GENERATED_NAME_TRIES = 8


def _silent(_: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """``field_validation`` says what happens to fields that the schema does not know: ``Strict`` refuses the object,
    ``Warn`` passes a text to ``warn``, ``Ignore`` drops them in silence; they are never stored.

    ``subresource`` is empty, ``status``, ``finalize`` or ``binding``. ``unconditional`` lifts the need for a
    resourceVersion, as in a patch. ``manager`` is who writes, for ``managedFields``; ``owners`` is what an apply has
    made of those, None for a write whose author comes to own what it changes. ``force`` lets an apply take over what
    others own.
    """

    dry_run: bool = False
    field_validation: str = "Ignore"
    subresource: str = ""
    unconditional: bool = False
    warn: Callable[[str], None] = _silent
    manager: str = "kdl-local"
    force: bool = False
    owners: Raw | None = None

    @property
    def author(self) -> Author:
        return Author(self.manager, self.subresource, self.force)


_DEFAULT_WRITE = WriteOptions()
_DEFAULT_DELETE = DeleteOptions()


@dataclass(frozen=True, slots=True)
class Deletion:
    """``entry`` is the object as it is now or was in the end; ``removed``: it is gone, not only marked."""

    entry: Entry
    removed: bool


Observer = Callable[[ResourceType, Entry, bool], None]
"""Called after each write with the type, the new state, and whether the object is gone."""


class Registry:
    """All methods are synchronous and complete: between two of them the store is consistent."""

    def __init__(self, store: Store, ownership: Ownership, clock: Clock, rng: random.Random) -> None:
        self.store = store
        self.observers: list[Observer] = []
        self.ownership = ownership
        self._clock = clock
        self._identities = Identities(rng)

    def collection(self, type_: ResourceType) -> Collection:
        return self.store.collection(type_.storage_resource)

    def get(self, type_: ResourceType, key: ObjectKey) -> Entry:
        """NotFound if there is none."""
        entry = self.collection(type_).get(key)
        if entry is None:
            raise not_found(type_.resource, key.name)
        return entry

    def create(self, type_: ResourceType, obj: Object, options: WriteOptions = _DEFAULT_WRITE) -> Entry:
        """Stores a new object; takes ``obj`` over. Its namespace is in its metadata."""
        given = take_owners(obj)
        check_type(type_, obj)
        meta = obj["metadata"]
        if "create" not in type_.verbs:
            why = "create not allowed while custom resource definition is terminating"
            raise forbidden(type_.resource, meta.get("name", ""), why)
        collection = self.collection(type_)
        self.drop_unknown(type_, obj, options)
        assigned = self.ownership.assigned(type_, obj)
        admit_create(self.store, type_, obj)
        version = meta.get("resourceVersion")
        if not meta.get("name") and meta.get("generateName"):
            self._generate_name(type_, obj)
        strategy.prepare_for_create(type_, obj, self._identities.uid(), format_time(self._clock.now()))
        obj = self._complete(type_, obj, None, options)
        self._validate(type_, obj, None)
        self._warn(type_, obj, (), options)
        if version and not options.dry_run:
            raise BadRequest("resourceVersion should not be set on objects to be created")
        key = _key(type_, obj)
        existing = collection.get(key)
        if existing is not None:
            deleted = "deletionTimestamp" in existing.object["metadata"]
            raise already_exists(type_.resource, key.name, deleted=deleted)
        owners = options.owners
        if owners is None:
            owners = self.ownership.created(type_, obj, given, replace(options.author, unowned=assigned))
        set_owners(obj, owners)
        if options.dry_run:
            if version:
                obj["metadata"]["resourceVersion"] = version
            return Entry(key, type_.to_storage(obj), 0)
        entry = collection.put(key, type_.to_storage(obj))
        self._notify(type_, entry)
        return entry

    def update(
        self,
        type_: ResourceType,
        key: ObjectKey,
        change: Callable[[Object], Object],
        options: WriteOptions = _DEFAULT_WRITE,
    ) -> Entry:
        """Replaces an object by what ``change`` makes of it, in the shape of this version.

        ``change`` gets the shared stored object and returns a fresh one. The same object again is stored as nothing:
        no revision, no event. A deleted object whose last finalizer goes is removed.
        """
        collection = self.collection(type_)
        stored = collection.get(key)
        if stored is None:
            return self._create_on_update(type_, key, change, options)
        old = type_.from_storage(stored.object)
        new = change(old)
        given = take_owners(new)
        check_type(type_, new)
        self.drop_unknown(type_, new, options)
        check_key(type_, key, new)
        self._check_versions(type_, new, old, options)
        strategy.pass_over(type_, new, options.subresource)
        fixed = metadata.fixed_errors(new, old)
        stated = Stated(given, new.get("spec"), new["metadata"].get("deletionTimestamp"))
        new = strategy.prepare_for_update(type_, new, old, options.subresource)
        new = self._complete(type_, new, old, options)
        strategy.count_generation(type_, new, old, options.subresource)
        # A pod's spec is fixed for everyone but the binding.
        if options.subresource != "binding":
            self._validate(type_, new, old, fixed)
            self._warn(type_, new, old["metadata"].get("finalizers") or (), options)
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        self._set_owners(type_, new, old, stated, options)
        gone = deletion.is_complete(type_, new)
        shape = type_.to_storage(new)
        # As stored: a write of another version loses what that does not know, even if it changes nothing that it does.
        if strategy.unchanged(shape, stored.object) and not gone:
            return stored
        if options.dry_run:
            return Entry(key, shape, stored.revision)
        if not gone:
            entry = collection.put(key, shape)
            self._notify(type_, entry)
            return entry
        # Nothing is stored any more: watchers see what was, and whoever has caused it the update with the old revision.
        self._notify(type_, collection.remove(key), gone=True)
        return Entry(key, new, stored.revision)

    def apply(self, type_: ResourceType, key: ObjectKey, config: Object, options: WriteOptions) -> Entry:
        """Merges ``config`` into an object, or creates it, with ``options.manager`` as the owner of its fields.

        Conflict if that would change fields that others own, unless ``options.force``.
        """
        stored = self.collection(type_).get(key)
        live = type_.from_storage(stored.object) if stored else None
        if live is None and options.subresource:
            raise not_found(type_.resource, key.name)
        obj, owners = self.ownership.applied(type_, live, config, options.author)
        options = replace(options, owners=owners, unconditional=True)
        if live is not None:
            return self.update(type_, key, lambda _: obj, options)
        check_type(type_, obj)
        if not obj["metadata"].get("name"):
            raise nameless(key.name)
        check_key(type_, key, obj)
        obj["metadata"].pop("resourceVersion", None)
        if uid := obj["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(type_.resource, key.name, why)
        return self.create(type_, obj, options)

    def delete(self, type_: ResourceType, key: ObjectKey, options: DeleteOptions = _DEFAULT_DELETE) -> Deletion:
        """Removes an object, or marks it as deleted while finalizers or a node have something to do yet."""
        stored = self.get(type_, key)
        admit_delete(type_, key.name)
        old = type_.from_storage(stored.object)
        deletion.check_preconditions(type_, old, options)
        marked = deletion.mark(type_, old, options, self._clock.now())
        # A namespace is only marked at first, whatever holds it.
        first = strategy.is_namespace(type_) and "deletionTimestamp" not in old["metadata"]
        gone = deletion.goes_now(type_, marked) and not first
        if options.dry_run:
            # A dry run does not go on to the removal where the object would be marked before.
            changed = type_.graceful_deletion or marked["metadata"].get("finalizers") != old["metadata"].get(
                "finalizers"
            )
            shown = marked if changed or not gone else old
            return Deletion(Entry(key, type_.to_storage(shown), stored.revision), gone and not changed)
        collection = self.collection(type_)
        if gone:
            if type_.graceful_deletion and old["metadata"].get("deletionGracePeriodSeconds") != 0:
                # Whoever watches pods sees one marked before it goes, even if it goes at once.
                self._notify(type_, collection.put(key, type_.to_storage(marked)))
            entry = collection.remove(key)
        elif strategy.unchanged(marked, old):
            return Deletion(stored, removed=False)
        else:
            entry = collection.put(key, type_.to_storage(marked))
        self._notify(type_, entry, gone)
        return Deletion(entry, gone)

    def _set_owners(self, type_: ResourceType, new: Object, old: Object, stated: Stated, options: WriteOptions) -> None:
        """In ``new``. A write that changes nothing but when it was made leaves the time as it was."""
        before: Raw | None = old["metadata"].get(OWNERS)
        if options.owners is None:
            # A binding is nobody's: the real server does not count it either.
            bound = options.subresource == "binding"
            owners = before if bound else self.ownership.updated(type_, old, new, stated, options.author)
        else:
            owners = options.owners
        set_owners(new, before)
        if owners is not before and not (strategy.unchanged(new, old) and same_but_for_times(before, owners)):
            set_owners(new, owners)

    def _generate_name(self, type_: ResourceType, obj: Object) -> None:
        """A free name, unless every one of a few is taken: then the create ends in AlreadyExists."""
        collection, meta = self.collection(type_), obj["metadata"]
        for _ in range(GENERATED_NAME_TRIES):
            meta["name"] = self._identities.name(meta["generateName"])
            if collection.get(_key(type_, obj)) is None:
                return

    def _create_on_update(
        self, type_: ResourceType, key: ObjectKey, change: Callable[[Object], Object], options: WriteOptions
    ) -> Entry:
        if not type_.create_on_update or options.unconditional:
            raise not_found(type_.resource, key.name)
        obj = change({})
        check_type(type_, obj)
        check_key(type_, key, obj)
        if obj["metadata"].get("uid"):
            raise conflict(type_.resource, key.name, "Precondition failed: UID in precondition, object not found")
        if options.subresource:
            raise not_found(type_.resource, key.name)
        if not options.dry_run:
            obj["metadata"].pop("resourceVersion", None)
        return self.create(type_, obj, options)

    def _check_versions(self, type_: ResourceType, new: Object, old: Object, options: WriteOptions) -> None:
        before, asked = old["metadata"], new["metadata"]
        name = before["name"]
        # In a patch, unlike in a PUT or a binding, the UID is no precondition.
        patching = options.unconditional and options.subresource != "binding"
        if asked.get("uid", before["uid"]) != before["uid"] and not patching:
            raise conflict(
                type_.resource,
                name,
                f"Precondition failed: UID in precondition: {asked['uid']}, UID in object meta: {before['uid']}",
            )
        version = asked.get("resourceVersion", "")
        if version in ("", "0"):
            if not (type_.unconditional_update or options.unconditional):
                error = FieldError.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                # The real server names the plural in place of the kind here.
                raise invalid_object(type_.gvk._replace(kind=type_.resource.plural), name, [error])
        elif version != before["resourceVersion"]:
            raise conflict(type_.resource, name)

    def drop_unknown(self, type_: ResourceType, obj: Object, options: WriteOptions) -> None:
        """Drops the fields that the type has not, and says so as ``options.field_validation`` demands."""
        unknown = type_.schema.prune(obj) if type_.schema else []
        if type_.custom:
            unknown += metadata.prune(obj)
        if not unknown:
            return
        texts = [f'unknown field "{path}"' for path in unknown]
        if options.field_validation == "Strict":
            raise Undecodable(type_.resource, f"strict decoding error: {', '.join(texts)}")
        if options.field_validation == "Warn":
            for text in texts:
                options.warn(text)

    def _complete(self, type_: ResourceType, obj: Object, old: Object | None, options: WriteOptions) -> Object:
        if not type_.custom:
            obj = self.ownership.normal(type_, obj, old)
        if type_.schema:
            # Nulls are dropped where a body is decoded, and what an apply merges is not.
            type_.schema.default(obj, keep_nulls=options.owners is not None)
        return obj

    def _validate(self, type_: ResourceType, new: Object, old: Object | None, found: Sequence[FieldError] = ()) -> None:
        """``found`` are the errors that are known already."""
        kind, name = new["kind"], new["metadata"].get("name", "")
        if kind != type_.resource.kind:
            error = FieldError.invalid("kind", kind, f"must be {type_.resource.kind}")
            raise invalid_object(type_.gvk._replace(kind=kind), name, [error])
        errors = [*found, *metadata.validate(type_, new, created=old is None)]
        if type_.storage_resource == CORE_EVENTS and old is None and type_.schema:
            # Of events, metadata is looked at last, and only if all else is well.
            errors = type_.schema.validate(new, None) or errors
            if errors:
                raise invalid_object(CORE_EVENTS.gvk, name, errors)
        if old is not None:
            errors += metadata.validate_update(new, old)
        if type_.schema:
            errors += type_.schema.validate(new, old, blocked=any(error.type in BLOCKING for error in errors))
        if type_.scale is not None:
            errors += replica_errors(type_.scale, new)
        if errors:
            raise invalid_object(type_.gvk if type_.custom else type_.storage_resource.gvk, name, errors)

    def _warn(self, type_: ResourceType, obj: Object, before: Sequence[str], options: WriteOptions) -> None:
        for item in obj["metadata"].get("finalizers") or () if type_.custom else ():
            if item not in before and (text := metadata.finalizer_warning(item)):
                options.warn(text)

    def _notify(self, type_: ResourceType, entry: Entry, gone: bool = False) -> None:
        for observer in self.observers:
            observer(type_, entry, gone)


def _key(type_: ResourceType, obj: Object) -> ObjectKey:
    meta = obj["metadata"]
    return ObjectKey(meta["namespace"] if type_.namespaced else "", meta.get("name", ""))


def check_type(type_: ResourceType, obj: Object) -> None:
    """BadRequest unless the object says that it is of this type; an absent kind or version is filled in.

    A wrong kind of a custom resource is left to validation.
    """
    resource = type_.resource
    kind, api_version = obj.setdefault("kind", resource.kind), obj.setdefault("apiVersion", resource.api_version)
    if not isinstance(kind, str) or not isinstance(api_version, str):
        raise Undecodable(resource, "kind and apiVersion must be strings")
    if type_.custom and api_version != resource.api_version:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    group, version = parse_api_version(str(api_version))
    if not type_.custom and (kind != resource.kind or (kind and group != resource.group)):
        why = f"write apiVersion {resource.api_version} and kind {resource.kind}"
        raise Undecodable(resource, why, (str(kind), version))
    if api_version != resource.api_version:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({resource.api_version})"
        )
    metadata.check_shape(resource, obj)


def check_key(type_: ResourceType, key: ObjectKey, obj: Object) -> None:
    """BadRequest unless the object's name and namespace, where it has them, are those of the URL; fills them in."""
    meta = obj["metadata"]
    if meta.setdefault("name", key.name) != key.name:
        raise BadRequest(f"the name of the object ({meta['name']}) does not match the name on the URL ({key.name})")
    check_namespace(type_, key.namespace, obj)


def check_namespace(type_: ResourceType, namespace: str, obj: Object) -> None:
    """BadRequest unless the object's namespace, if it has one, is that of the URL; fills it in."""
    meta = obj["metadata"]
    if not type_.namespaced:
        meta.pop("namespace", None)
        return
    if (meta.get("namespace") or namespace) != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = namespace
