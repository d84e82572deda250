"""The legacy ``auth-provider`` of kubeconfig files (OpenID Connect), by the official Python package."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kdl_runtime.clock import Clock
from kdl_runtime.transport.config import ConfigError
from kdl_runtime.transport.credentials import REREAD_SECONDS, Credential


class ProviderCredentials:
    """Tokens that the official package reads from the provider's settings, and renews when they have expired.

    The package does blocking requests, so it runs in a thread, at most once a minute.
    """

    def __init__(self, provider: Mapping[str, Any], clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = asyncio.Lock()
        self._credential: Credential | None = None
        self._loaded_at = 0.0

    async def current(self) -> Credential:
        async with self._lock:
            now = self._clock.monotonic()
            if self._credential is None or now - self._loaded_at >= REREAD_SECONDS:
                self._credential = await asyncio.to_thread(load_provider_token, self._provider)
                self._loaded_at = now
            return self._credential

    async def renew(self, refused: Credential) -> bool:
        async with self._lock:
            if self._credential == refused:
                self._credential = None
        return await self.current() != refused


def load_provider_token(provider: Mapping[str, Any]) -> Credential:
    """The provider's token, renewed if it has expired. ConfigError if there is none."""
    # Importing the package takes 0.4 s, which only those who need it shall pay.
    from kubernetes.client import Configuration
    from kubernetes.config.kube_config import KubeConfigLoader

    load: Any = KubeConfigLoader
    document = {
        "current-context": "this",
        "contexts": [{"name": "this", "context": {"cluster": "this", "user": "this"}}],
        "clusters": [{"name": "this", "cluster": {"server": "https://unused.invalid"}}],
        # The loader puts a renewed token into the provider's settings, where the next call finds it.
        "users": [{"name": "this", "user": {"auth-provider": provider}}],
    }
    configuration = Configuration()
    try:
        load(document).load_and_set(configuration)
    except Exception as error:
        # Its HTTP, OAuth and parsing libraries all raise their own.
        detail = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"the auth-provider {provider.get('name')!r} gives no token: {detail}") from error
    authorization = configuration.api_key.get("BearerToken")
    if not authorization:
        raise ConfigError(
            f"the auth-provider {provider.get('name')!r} gives no token: it may have expired, "
            "log in again or use an exec credential plugin"
        )
    return Credential(str(authorization))
