"""Clients of exec and attach, without a server in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from kdl_local.apiserver.streams.channels import STDERR, STDOUT
from kdl_local.apiserver.streams.provider import CommandOptions, Session
from unit.kdl_local.node.rig import DEADLINE, NodeRig

ALL = CommandOptions("c", stdin=True, stdout=True, stderr=True)
TERMINAL = CommandOptions("c", stdin=True, stdout=True, tty=True)


@asynccontextmanager
async def exec_(rig: NodeRig, *command: str, pod: str = "p", options: CommandOptions = ALL) -> AsyncIterator[Session]:
    session = await rig.node.streams.exec(rig.get(pod), replace(options, command=command))
    try:
        async with asyncio.timeout(DEADLINE):
            yield session
    finally:
        await session.close()


@asynccontextmanager
async def attach(rig: NodeRig, pod: str = "p", options: CommandOptions = ALL) -> AsyncIterator[Session]:
    session = await rig.node.streams.attach(rig.get(pod), options)
    try:
        async with asyncio.timeout(DEADLINE):
            yield session
    finally:
        await session.close()


async def everything(session: Session, stream: int = STDOUT) -> str:
    found = b""
    while data := await session.read(stream):
        found += data
    return found.decode()


async def says(session: Session, text: str) -> str:
    """Reads until the text has come."""
    found = ""
    while text not in found:
        data = await session.read(STDOUT)
        assert data, f"ended without {text!r}: {found}"
        found += data.decode()
    return found


async def result(session: Session) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that ends by itself."""
    out, errors, code = await asyncio.gather(everything(session), everything(session, STDERR), session.wait())
    return code, out, errors
