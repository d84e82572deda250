"""``/metrics`` as HTTP."""

import asyncio

from aiohttp import web

from kdl_runtime.observe.metrics import CONTENT_TYPE, Metrics

LARGE = 256 * 1024
"""Bytes of an answer from which on the next one is rendered in a thread, so that it does not hold up the event loop."""


def metrics_app(metrics: Metrics) -> web.Application:
    """Serves all metrics at ``/metrics`` in the text format."""
    size = 0

    async def handle(_request: web.Request) -> web.Response:
        nonlocal size
        body = await asyncio.to_thread(metrics.render) if size >= LARGE else metrics.render()
        size = len(body)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/metrics", handle)
    return app
