"""Who may report for a job: whoever has its token, which its pods get."""

import base64
import hashlib
import hmac
from collections.abc import Callable

from kdl_runtime.client.client import Client
from kdl_runtime.errors import AlreadyExists, KdlError, NotFound
from kdl_runtime.resources.registry import SECRETS
from kdl_runtime.types import ObjectKey

SECRET_NAME = "kdl-operator-progress"
KEY_BYTES = 32
_ENTRY = "key"
_PURPOSE = b"kdl.io/progress:"


class Tokens:
    """A job's token is an HMAC-SHA256 of its UID under a key that all operators of a cluster share: nothing is stored
    per job, tokens outlive restarts of the operator, and the token of one job says nothing about that of another."""

    def __init__(self, key: bytes) -> None:
        """ValueError for a key of fewer than 32 bytes."""
        if len(key) < KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes and must have at least {KEY_BYTES}")
        self._key = key

    def issue(self, uid: str) -> str:
        digest = hmac.new(self._key, _PURPOSE + uid.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def check(self, uid: str, token: str) -> bool:
        """Whether it is the token of the job with this UID. Takes as long for one that is nearly right."""
        return hmac.compare_digest(self.issue(uid).encode(), token.encode(errors="replace"))


async def shared_key(client: Client, namespace: str, random_bytes: Callable[[int], bytes]) -> bytes:
    """The key in the Secret ``kdl-operator-progress``, which is made with random bytes by the first operator that
    finds none. KdlError for a Secret of that name without a key."""
    name = ObjectKey(namespace, SECRET_NAME)
    try:
        return _key_in(await client.get(SECRETS, name), name)
    except NotFound:
        pass
    key = base64.b64encode(random_bytes(KEY_BYTES)).decode()
    metadata = {"name": SECRET_NAME, "namespace": namespace}
    try:
        made = await client.create(SECRETS, {"metadata": metadata, "type": "Opaque", "data": {_ENTRY: key}})
    except AlreadyExists:
        made = await client.get(SECRETS, name)
    return _key_in(made, name)


def _key_in(secret: object, name: ObjectKey) -> bytes:
    data = secret.get("data") if isinstance(secret, dict) else None
    try:
        key = base64.b64decode((data or {})[_ENTRY], validate=True)
        Tokens(key)
    except (KeyError, TypeError, ValueError) as error:
        text = f"Secret {name} has no usable entry {_ENTRY!r} ({KEY_BYTES} bytes or more, base64): delete it"
        raise KdlError(f"{text}, and the operator makes another one") from error
    return key
