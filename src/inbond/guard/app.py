"""The gateway over HTTP: a request is told from a probe, goes through the layers and back, and is recorded
when it is over; and the end, for which there may be no time left. The way of one request is in ``layers``."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import final

from aiohttp import web

from inbond.guard import gauges, outgoing, refusals, sending
from inbond.guard.caching import Caches
from inbond.guard.callers import Callers
from inbond.guard.config import GuardConfig
from inbond.guard.envelopes import Ring
from inbond.guard.layers import Layers
from inbond.guard.metrics import Metrics
from inbond.guard.observe import Observer
from inbond.guard.probes import PATHS, Probes
from inbond.guard.reading import Reader
from inbond.guard.receipts import Issuer
from inbond.guard.refusals import Refusal
from inbond.guard.relay import Relay
from inbond.guard.reservations import Reservations
from inbond.guard.sealer import Sealer
from inbond.guard.sealing_keys import fresh_ring
from inbond.guard.seen import Seen
from inbond.guard.standing import Standings
from inbond.guard.state import State
from inbond.guard.uploads import Uploads
from inbond.guard.upstream import Upstream
from inbond.ledger.issuer_keys import WELL_KNOWN


@final
class Gateway:
    """An OpenAI-compatible gateway. ``seen`` is told of every request when it is over, and must not fail."""

    def __init__(
        self,
        config: GuardConfig,
        callers: Callable[[], Callers],
        state: State,
        upstream: Upstream,
        seen: Callable[[Seen], None],
        clock: Callable[[], float] = time.time,
        issuer: Issuer | None = None,
        ring: Ring | None = None,
        standings: Standings | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Without a ring, envelopes last as long as the gateway; without standings everybody is at tier 0;
        without an observer nothing is remembered of requests."""
        self._config = config
        self._seen = seen
        self._issuer = issuer
        self.reservations = Reservations(state, config.when_state_is_lost, clock)
        self.metrics = Metrics()
        self._under_way: set[asyncio.Task[object]] = set()
        self._cutting = False
        self.draining = False
        self.spoke: set[object] = set()
        """Connections on which a request came; ``serve`` takes out those that are gone."""
        ring = ring or fresh_ring(clock())
        sealer = Sealer(ring, config.sealing.expires_s, clock)
        caches = Caches(ring.newest.secret, config.upstream.prompt_cache)
        relay = Relay(
            self.reservations, sealer, issuer, clock, config.client_silence_s, caches.told,
            cutting=lambda: self._cutting,
        )  # fmt: skip
        uploads = Uploads(config.body_bytes, config.bodies_bytes, config.client_silence_s)
        reader = Reader(config.fields, config.media_tokens)
        self._layers = Layers(
            config, callers, uploads, reader, self.reservations, sealer, upstream, relay,
            caches, clock, standings, observer,
        )  # fmt: skip
        self._probes = Probes(
            self.reservations, upstream, self.metrics, when_lost=config.when_state_is_lost,
            metrics_for=config.metrics_for, draining=lambda: self.draining,
            unseen=lambda: gauges.unseen(callers(), observer),
        )  # fmt: skip
        self.metrics.watch("in_flight", "Requests that have not ended.", lambda: self.in_flight)
        self.metrics.watch("bodies_bytes", "Bytes of memory that requests take.", lambda: uploads.held)
        gauges.hang_up(self.metrics, self.reservations, state, callers, observer)

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._under_way)

    def cut(self) -> None:
        """Ends what is under way: there is no time left for it. Callers are told, and what they got is
        settled."""
        self._cutting = True
        for task in tuple(self._under_way):
            task.cancel()

    def app(self) -> web.Application:
        """To be run without access log and with ``handler_cancellation``; see ``serve``."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        app.on_response_prepare.append(outgoing.unnamed)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, from its key to its last byte."""
        self.spoke.add(request.protocol)
        path = request.raw_path.partition("?")[0]
        if path in PATHS:
            found = await self._probes.answer(request)
            if found is not None:
                return found
        if self._issuer is not None and (request.method, request.raw_path) == ("GET", WELL_KNOWN):
            return web.Response(body=self._issuer.keys, content_type="application/json")
        seen = Seen(uuid.uuid4().hex, path, began=time.perf_counter())
        task = asyncio.current_task()
        assert task is not None, "requests are handled in tasks"
        self._under_way.add(task)
        try:
            if self.draining:
                raise refusals.draining()
            response = await self._layers.answer(request, seen)
            if not response.prepared:
                await sending.whole(request, response, self._config.client_silence_s, seen)
            return response
        except Refusal as refusal:
            return await self._refuse(request, refusal, seen)
        except (asyncio.CancelledError, ConnectionError) as error:
            seen.code = seen.code or "client_gone"
            if seen.status or not self._cutting or isinstance(error, ConnectionError):
                raise
            return await self._refuse(request, refusals.ended(), seen)
        finally:
            self._under_way.discard(task)
            seen.ended = time.perf_counter()
            self.metrics.add(seen)
            self._seen(seen)

    async def _refuse(self, request: web.Request, refusal: Refusal, seen: Seen) -> web.Response:
        seen.status, seen.code = refusal.status, refusal.code
        response = outgoing.refusal(refusal, seen)
        if self.draining or not request.content.at_eof():
            response.force_close()  # what is left of a body is not waited for
        await sending.whole(request, response, self._config.client_silence_s, seen)
        return response
