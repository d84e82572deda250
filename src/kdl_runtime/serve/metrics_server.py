"""Metrics that are read over TLS, and only by who may."""

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from kdl_runtime.client.client import Client
from kdl_runtime.clock import Clock, SystemClock
from kdl_runtime.observe.metrics import Metrics
from kdl_runtime.serve.access import AccessReviews
from kdl_runtime.serve.address import Address
from kdl_runtime.serve.certificates import CertificateFiles, Certificates, PairPaths
from kdl_runtime.serve.exposition import metrics_app
from kdl_runtime.serve.own_certificate import OwnCertificate
from kdl_runtime.serve.server import HttpServer


@dataclass(frozen=True, slots=True)
class MetricsSecurity:
    """How metrics are protected.

    ``files``: the certificate, which is followed when it changes; None makes one that clients cannot check. ``access``:
    whom the API server allows ``get`` on the non-resource URL ``/metrics``; False lets everybody read over TLS.
    """

    files: PairPaths | None = None
    access: bool = True


def metrics_server(
    metrics: Metrics, address: Address, security: MetricsSecurity | None, client: Client, clock: Clock | None = None
) -> HttpServer:
    """``/metrics`` at this address: in plain text for everybody, or as ``security`` says."""
    app = metrics_app(metrics)
    if security is None:
        return HttpServer(app, address)
    clock = clock or SystemClock()
    if security.access:
        app.middlewares.append(guarded(AccessReviews(client, clock)))
    certificates: Certificates = (
        CertificateFiles(security.files, clock, metrics) if security.files else OwnCertificate(clock=clock)
    )
    return HttpServer(app, address, certificates)


def guarded(reviews: AccessReviews) -> Middleware:
    """A middleware that lets through what the reviews grant."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        verdict = await reviews.verdict(request.headers.get("Authorization", ""), request.method, request.path)
        if verdict.status == 200:
            return await handler(request)
        headers = {"X-Content-Type-Options": "nosniff"}
        return web.Response(status=verdict.status, text=f"{verdict.text}\n", headers=headers)

    return guard
