"""What operators and their balancers ask: is it alive, may it be sent requests, what has it counted."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable
from typing import Final, Literal, final

from aiohttp import web

from inbond.guard.metrics import CONTENT_TYPE, Metrics
from inbond.guard.reservations import Reservations
from inbond.guard.upstream import Upstream, UpstreamError

PATHS: Final = ("/health", "/ready", "/metrics")
_FRESH_S: Final = 2.0
_WAIT_S: Final = 5.0
_PROXIED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@final
class Probes:
    """Answers /health, /ready and /metrics. None of them takes a key, so none says anything of a caller;
    ``metrics_for`` says who may read the counts: here (this machine, through no proxy), anyone, nobody."""

    def __init__(
        self,
        reservations: Reservations,
        upstream: Upstream,
        metrics: Metrics,
        *,
        when_lost: Literal["closed", "open"],
        metrics_for: Literal["here", "anyone", "nobody"],
        draining: Callable[[], bool],
        unseen: Callable[[], list[str]],
    ) -> None:
        self._reservations = reservations
        self._upstream = upstream
        self._metrics = metrics
        self._when_lost = when_lost
        self._metrics_for = metrics_for
        self._looked = 0.0
        self._reachable = False
        self._looking = asyncio.Lock()
        self._draining = draining
        self._unseen = unseen

    async def answer(self, request: web.Request) -> web.Response | None:
        """None where there is nothing to say to who asks."""
        if request.method != "GET":
            return None
        match request.raw_path.partition("?")[0]:
            case "/health":
                unseen = self._unseen()
                more = {"detection": unseen} if unseen else {}
                return web.json_response({"status": "alive", **self._state(), **more})
            case "/ready":
                return await self._ready()
            case "/metrics" if self._may_read(request):
                return web.Response(body=self._metrics.text(), headers={"content-type": CONTENT_TYPE})
        return None

    def _state(self) -> dict[str, object]:
        if self._reservations.emptied:
            return {"state": "emptied", "requests": "refused until an operator accepts it"}
        if self._reservations.lost:
            return {"state": "lost", "requests": self._reservations.meanwhile}
        doubt = self._reservations.doubt
        return {"state": "reachable", **({"warning": doubt} if doubt else {})}

    async def _ready(self) -> web.Response:
        reachable = await self._upstream_reachable()
        lost = self._reservations.lost or self._reservations.emptied
        may_pass = not lost or self._when_lost == "open"
        draining = self._draining()
        ready = reachable and may_pass and not draining
        said = {
            "status": "ready" if ready else "draining" if draining else "not ready",
            "upstream": "reachable" if reachable else "unreachable",
            **self._state(),
        }
        return web.json_response(said, status=200 if ready else 503)

    async def _upstream_reachable(self) -> bool:
        """Asked at most once in two seconds, however often it is asked for."""
        async with self._looking:
            if time.monotonic() - self._looked >= _FRESH_S:
                self._reachable = await self._look()
                self._looked = time.monotonic()
            return self._reachable

    async def _look(self) -> bool:
        try:
            async with asyncio.timeout(_WAIT_S):
                answer = await self._upstream.send("GET", "models", {}, None)
        except (UpstreamError, TimeoutError):
            return False
        answer.close()
        return answer.status < 500

    def _may_read(self, request: web.Request) -> bool:
        if self._metrics_for != "here":
            return self._metrics_for == "anyone"
        try:
            near = ipaddress.ip_address(request.remote or "").is_loopback
        except ValueError:
            return False
        return near and not any(name in request.headers for name in _PROXIED)
