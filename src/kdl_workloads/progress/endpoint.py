"""The HTTP endpoint that pods report to.

``POST /apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME/progress`` with ``Authorization: Bearer TOKEN`` and a report
in JSON. 202: it will be written. Every answer that is none has a sentence in its body.
"""

import asyncio

from aiohttp import web

from kdl_runtime.clock import Clock
from kdl_runtime.types import ObjectKey
from kdl_workloads.progress.rates import Rates
from kdl_workloads.progress.report import MAX_BYTES, ReportError, parse_report
from kdl_workloads.progress.target import Jobs
from kdl_workloads.progress.tokens import Tokens
from kdl_workloads.progress.writer import ProgressWriter

BODY_SECONDS = 5.0
"""How long a body may take to arrive."""
PATH = "/apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}/progress"


class ProgressEndpoint:
    """Answers reports. ``writer`` gets those that are good."""

    def __init__(self, jobs: Jobs, tokens: Tokens, writer: ProgressWriter, clock: Clock) -> None:
        self._jobs = jobs
        self._tokens = tokens
        self._writer = writer
        self._rates = Rates(clock)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_post(PATH, self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.Response:
        if not self._rates.take_any():
            return _too_many()
        route = request.match_info
        api_version, key = f"{route['group']}/{route['version']}", ObjectKey(route["namespace"], route["name"])
        found = self._jobs.find(api_version, route["plural"], key)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        # Nobody learns here which jobs there are.
        if scheme != "Bearer" or found is None or not self._tokens.check(found[0].uid, token.strip()):
            return _answer(401, "no such job, or not its token")
        target, view = found
        if view.finished:
            return _answer(409, "the job has finished")
        if not self._rates.take(target.uid):
            return _too_many()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                report = parse_report(await request.read())
        except TimeoutError:
            return _answer(408, f"the body took more than {BODY_SECONDS:g} s")
        except ReportError as error:
            return _answer(400, str(error))
        self._writer.submit(target, report)
        return web.Response(status=202)


def _answer(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={"X-Content-Type-Options": "nosniff"})


def _too_many() -> web.Response:
    response = _answer(429, "too many reports")
    response.headers["Retry-After"] = "1"
    return response
