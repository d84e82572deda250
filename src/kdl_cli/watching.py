"""``kdl get --watch``: what is there, and a line for every change."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import click

from kdl_cli.discovery import job_kinds, resolve
from kdl_cli.errors import CliError
from kdl_cli.follow import SYNCED, Target, follow
from kdl_cli.output import Format, document, object_name
from kdl_cli.query import Query
from kdl_cli.references import Found, find, references
from kdl_cli.session import Session
from kdl_cli.tables import Column, Table
from kdl_cli.views import View, view_for

_QUEUE = 100
"""Changes that may wait to be printed; then the server waits."""

Item = Found | None
"""An object as it is now, None for the end of a first list."""


async def watch(session: Session, query: Query) -> None:
    """Prints until it is cancelled. CliError for objects that do not fit into one table."""
    targets = await _targets(session, query)
    views = {view_for(target.resource).heads: view_for(target.resource) for target in targets}
    if len(views) > 1:
        raise CliError("these objects have different columns: watch jobs, pods or one other kind at a time")
    printer = _Printer(session, query, next(iter(views.values())))
    queue: asyncio.Queue[Item] = asyncio.Queue(_QUEUE)
    async with asyncio.TaskGroup() as group:
        for target in targets:
            group.create_task(_follow(session, target, queue))
        first: list[Found] = []
        for _ in targets:
            while (item := await queue.get()) is not None:
                first.append(item)
        printer.show(first)
        while True:
            item = await queue.get()
            if item is not None:
                printer.show([item])


async def _targets(session: Session, query: Query) -> list[Target]:
    if query.named:
        found = [await find(session, reference) for reference in references(query.arguments)]
        return [Target.one(item.resource, item.key) for item in found]
    kinds = await resolve(session, query.arguments[0]) if query.arguments else await job_kinds(session)
    everywhere = query.all_namespaces
    return [
        Target(kind, session.namespace if kind.namespaced and not everywhere else "", query.selector) for kind in kinds
    ]


async def _follow(session: Session, target: Target, queue: asyncio.Queue[Item]) -> None:
    """Every version of every object once; one that goes comes a last time."""
    shown: dict[str, str] = {}
    synced = False
    async with aclosing(follow(session, target)) as changes:
        async for change in changes:
            if change.type == SYNCED:
                if not synced:
                    synced = True
                    await queue.put(None)
                continue
            metadata = change.object["metadata"]
            if change.type != "DELETED" and shown.get(metadata["uid"]) == metadata["resourceVersion"]:
                continue
            if change.type == "DELETED":
                shown.pop(metadata["uid"], None)
            else:
                shown[metadata["uid"]] = metadata["resourceVersion"]
            await queue.put(Found(target.resource, change.object))


class _Printer:
    def __init__(self, session: Session, query: Query, view: View) -> None:
        place = (Column("NAMESPACE"),) if query.all_namespaces else ()
        self._table = Table((*place, *view.heads), wide=query.output is Format.WIDE)
        self._session = session
        self._query = query
        self._view = view

    def show(self, found: Sequence[Found]) -> None:
        if self._query.output is Format.NAME:
            lines = [object_name(item.resource, item.key.name) for item in found]
        elif self._query.output in (Format.JSON, Format.YAML):
            lines = [self._document(item) for item in found]
        else:
            lines = self._table.lines([self._row(item) for item in found]) if found else []
        for line in lines:
            click.echo(line)

    def _document(self, item: Found) -> str:
        text = document([item.object], self._query.output, single=True).rstrip("\n")
        return f"---\n{text}" if self._query.output is Format.YAML else text

    def _row(self, item: Found) -> Sequence[object]:
        place = [item.key.namespace] if self._query.all_namespaces else []
        return (*place, *self._view.row(item.resource, item.object, self._session.clock.now()))
