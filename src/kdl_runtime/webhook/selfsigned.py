"""Certificates that the replicas of a webhook issue themselves and share by a Secret."""

import asyncio
import random
import ssl
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from kdl_runtime.backoff import Backoff, BackoffPolicy
from kdl_runtime.cache.cache import Cache
from kdl_runtime.cache.spec import WatchSpec
from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.errors import AlreadyExists, ApiError, Conflict, Forbidden, KdlError, NotFound, TransportError
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.resources.registry import SECRETS
from kdl_runtime.serve.issuing import facts
from kdl_runtime.serve.tls import ServingContext
from kdl_runtime.types import ObjectKey
from kdl_runtime.webhook.bundles import BundleTarget, publish
from kdl_runtime.webhook.rotation import (
    DEFAULT_POLICY,
    Material,
    RotationPolicy,
    material_of,
    rotated,
    with_authorities_of,
    with_new_authority,
)

log = structlog.get_logger(__name__)

START_SECONDS = 60.0
"""How long the first certificate may take when the API server does not answer as it should."""
PAUSE_SECONDS = 1.0
"""Between a change of what is watched and the look at it."""
ATTEMPTS = 10
"""Of one look, when other replicas write at the same time."""
RETRIES = BackoffPolicy(base=2.0, cap=300.0)


class IssuingError(KdlError):
    """There is no certificate that clients trust; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SelfSignedOptions:
    """``secret``: where the certificates are kept; it is made if it is not there, and an empty one is filled.
    ``hosts``: the names and addresses under which the server is called (``service_hosts``). ``targets``: what gets the
    ``caBundle``; without any, somebody else has to see to it. ``interval``: seconds between two looks at the Secret and
    the targets, which are also watched unless ``watch`` is False.

    Rights: get, list, watch, create and update of the Secret; get, list, watch and patch of the targets.
    """

    secret: ObjectKey
    hosts: tuple[str, ...]
    targets: tuple[BundleTarget, ...] = ()
    policy: RotationPolicy = DEFAULT_POLICY
    interval: float = 600.0
    watch: bool = True

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ValueError(
                "a certificate needs at least one host: service_hosts(name, namespace) has those of a Service"
            )


def service_hosts(name: str, namespace: str) -> tuple[str, ...]:
    """Under which names a Service is called; API servers use the one with ``.svc``."""
    return (f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local", f"{name}.{namespace}")


class SelfSigned:
    """Issues an authority and a server certificate, shares them with all replicas, has the authority trusted, and makes
    both anew long before they end, so that what is served is trusted at any moment.

    Whoever writes the Secret first decides; the others take what is there. Deleting the Secret gives a new authority
    without an interruption. Keys of former authorities are not kept.
    """

    def __init__(
        self,
        client: Client,
        options: SelfSignedOptions,
        clock: Clock | None = None,
        metrics: Metrics | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.options = options
        self._client = client
        self._clock = clock or SystemClock()
        self._rng = rng or random.Random()
        self._expiry = (metrics or Metrics()).certificate_expiry.labels(str(options.secret))
        self._serving = ServingContext()
        self._material: Material | None = None
        self._trusted: tuple[bytes, datetime] | None = None
        self._trouble = ""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._watches: Cache | None = None

    @property
    def context(self) -> ssl.SSLContext:
        return self._serving.context

    @property
    def bundle(self) -> bytes:
        """The authorities that clients are to trust, PEM; empty before the start."""
        return self._material.bundle if self._material else b""

    @property
    def certificate(self) -> bytes:
        """What new connections are shown, PEM; empty before the start."""
        return self._serving.certificate

    async def start(self) -> None:
        """IssuingError if the Secret cannot be read or written. Targets that cannot be written only make ``check``
        fail: the others can be served."""
        backoff = Backoff(RETRIES, self._clock, self._rng)
        deadline = self._clock.monotonic() + START_SECONDS
        while True:
            try:
                await self.look()
                break
            except (ApiError, TransportError) as error:
                if isinstance(error, Forbidden) or self._clock.monotonic() >= deadline:
                    raise IssuingError(f"no certificates in the Secret {self.options.secret}: {error}") from error
                log.warning("no certificates yet", secret=str(self.options.secret), error=str(error))
                await self._clock.sleep(backoff.next())
        if self.options.watch:
            await self._watch()
        self._task = asyncio.create_task(self._run(backoff), name=f"certificates {self.options.secret}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._watches is not None:
            await self._watches.stop()

    def check(self) -> None:
        """IssuingError while the API server is not known to trust the certificate, or if that ends soon. That the API
        server cannot be reached at the moment is no reason: nothing is better if nobody serves."""
        if self._material is None:
            raise IssuingError("there are no certificates yet")
        if self._trusted is None:
            raise IssuingError(f"the certificate is not trusted: {self._trouble}")
        left = facts(self._material.serving.certificate).not_after - self._clock.now()
        if left < self.options.policy.serving_renew_before / 2:
            raise IssuingError(f"the certificate ends in {left} and could not be made anew: {self._trouble}")

    async def look(self) -> None:
        """Do now what is due: take over, issue, write, publish. IssuingError, ApiError, TransportError."""
        for _ in range(ATTEMPTS):
            secret = await self._read()
            stored = self._stored(secret)
            now = self._clock.now()
            wanted = rotated(
                self._base(stored, now), self.options.hosts, now, self.options.policy, trusted=self._settled(now)
            )
            try:
                if wanted != stored:
                    await self._write(secret, wanted)
            except (AlreadyExists, Conflict):
                continue
            await self._publish(wanted.bundle)
            self._use(wanted)
            return
        raise IssuingError(f"the Secret {self.options.secret} is written by others all the time")

    # ---- what there is

    def _base(self, stored: Material | None, now: datetime) -> Material | None:
        held = self._material
        if stored is not None:
            return with_authorities_of(stored, held, now)
        # Who takes the Secret away wants another authority; what is served has to be trusted meanwhile.
        return with_new_authority(held, now, self.options.policy) if held else None

    def _settled(self, now: datetime) -> bytes:
        """The bundle that is trusted everywhere; empty if that is not known."""
        bundle, since = self._trusted or (b"", now)
        return bundle if now - since >= self.options.policy.settle else b""

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._client.get(SECRETS, self.options.secret)
        except NotFound:
            return None

    def _stored(self, secret: Mapping[str, Any] | None) -> Material | None:
        """IssuingError for a Secret that is somebody else's."""
        data = (secret or {}).get("data") or {}
        try:
            entries = {name: b64decode(text, validate=True) for name, text in data.items()}
        except ValueError:
            entries = {}
        found = material_of(entries)
        if found is None and data:
            if "ca.key" not in data:
                raise IssuingError(
                    f"the Secret {self.options.secret} holds something else than is kept there: name another one in "
                    "SelfSignedOptions.secret, or delete it"
                )
            log.warning("what the Secret holds cannot be used and is replaced", secret=str(self.options.secret))
        return found

    # ---- what is changed

    async def _write(self, secret: Mapping[str, Any] | None, material: Material) -> None:
        data = {name: b64encode(value).decode() for name, value in material.entries().items()}
        if secret is None:
            namespace, name = self.options.secret
            metadata = {"namespace": namespace, "name": name, "labels": {"app.kubernetes.io/managed-by": "kdl-runtime"}}
            await self._client.create(SECRETS, {"metadata": metadata, "type": "kubernetes.io/tls", "data": data})
        else:
            await self._client.update(SECRETS, {**secret, "data": data})
        log.info("certificates were issued", secret=str(self.options.secret), authorities=len(material.authorities))

    async def _publish(self, bundle: bytes) -> None:
        """What fails is tried again at the next look, which comes soon."""
        problems: list[str] = []
        for target in self.options.targets:
            try:
                if await publish(self._client, target, bundle):
                    log.info("caBundle was written", target=str(target))
            except (ApiError, TransportError) as error:
                problems.append(f"the caBundle of {target} cannot be written: {error}")
        self._trouble = "; ".join(problems)
        if problems:
            log.warning("certificates are not trusted everywhere", problems=problems)
        elif self._trusted is None or self._trusted[0] != bundle:
            self._trusted = (bundle, self._clock.now())

    def _use(self, material: Material) -> None:
        self._material = material
        if self._serving.use(material.serving.certificate, material.serving.key):
            end = facts(material.serving.certificate).not_after
            self._expiry.set(end.timestamp())
            log.info("certificate is served", secret=str(self.options.secret), not_after=end.isoformat())

    # ---- in the background

    async def _watch(self) -> None:
        self._watches = watches = Cache(self._client, self._clock, self._rng)
        secret = self.options.secret
        objects = [
            (SECRETS, secret),
            *((target.resource, ObjectKey("", target.name)) for target in self.options.targets),
        ]
        for resource, key in dict.fromkeys(objects):
            spec = WatchSpec(
                resource,
                namespaces=(key.namespace,) if key.namespace else (),
                field_selector=f"metadata.name={key.name}",
                metadata_only=True,
                name=key.name,
            )
            watches.declare(spec).add_handler(lambda _event: self._wake.set())
        await watches.start()

    async def _run(self, backoff: Backoff) -> None:
        pause = self.options.interval
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
                await self._clock.sleep(PAUSE_SECONDS)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.look()
            except (IssuingError, ApiError, TransportError) as error:
                self._trouble = str(error)
                log.warning("certificates could not be looked after", error=self._trouble)
            pause = min(backoff.next(), self.options.interval) if self._trouble else self.options.interval
            if not self._trouble:
                backoff.reset()
