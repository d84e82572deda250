"""``/healthz`` and ``/readyz`` as HTTP, as controller-runtime answers them."""

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from kdl_runtime.observe.health import HealthChecks, HealthReport


def probe_app(paths: Mapping[str, HealthChecks]) -> web.Application:
    """One path for each set of checks: ``/healthz``, and ``/healthz/<check>`` for one of them.

    ``?verbose`` lists the checks, ``?exclude=<check>`` (repeatable) leaves some out.
    """
    app = web.Application()
    for path, checks in paths.items():
        app.router.add_get(path, _all(checks))
        app.router.add_get(f"{path}/", _all(checks))
        app.router.add_get(f"{path}/{{check}}", _one(checks))
    return app


def _all(checks: HealthChecks) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        exclude = request.query.getall("exclude", [])
        return _response(await checks.report(exclude=exclude, verbose="verbose" in request.query))

    return handle


def _one(checks: HealthChecks) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        report = await checks.report_one(request.match_info["check"])
        return web.Response(status=404, text="404 page not found\n") if report is None else _response(report)

    return handle


def _response(report: HealthReport) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff"}
    return web.Response(status=report.status, text=report.body, headers=headers)
