"""Reading the changes of a collection as they come."""

import asyncio
from types import TracebackType
from typing import Self

from kdl_local.apiserver.storage import Change, Collection


class Cursor:
    """A place in the history of a collection that only moves forward. A context manager: it listens while entered.

    ``revision`` is the place: all changes up to it have been returned.
    """

    def __init__(self, collection: Collection, revision: int) -> None:
        self.revision = revision
        self._history = collection.history
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._history.subscribe(self._changed)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._history.unsubscribe(self._changed)

    async def next(self, timeout: float | None = None) -> list[Change]:
        """The changes since the last call, waiting for the first; empty after ``timeout`` seconds without any.

        Raises Expired when this reader has fallen behind the history.
        """
        changes = self._take()
        if changes:
            return changes
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            pass
        return self._take()

    @property
    def caught_up(self) -> bool:
        """Whether there is nothing to return at the moment."""
        return not self._history.after(self.revision)

    def _take(self) -> list[Change]:
        self._changed.clear()
        changes = self._history.after(self.revision)
        if changes:
            self.revision = changes[-1].revision
        return changes
