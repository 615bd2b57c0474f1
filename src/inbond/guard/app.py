"""The gateway: routes, and the order in which a request passes the layers. What each layer decides is its own
module's; here is only what comes after what, and that whatever was reserved is settled."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final, final

from aiohttp import web

from inbond.guard import (
    actions,
    answer_errors,
    gauges,
    incoming,
    meter,
    models,
    outgoing,
    passing,
    reasoning,
    refusals,
    standing,
    wire,
)
from inbond.guard.body import Body
from inbond.guard.budget import Scopes, Usage
from inbond.guard.callers import Caller, Callers
from inbond.guard.config import GuardConfig, ModelPolicy
from inbond.guard.hiding import Hiding
from inbond.guard.marks import About
from inbond.guard.metrics import Metrics
from inbond.guard.observe import Observer
from inbond.guard.probes import PATHS, Probes
from inbond.guard.receipts import Draft, Issuer, Stamp
from inbond.guard.refusals import Refusal
from inbond.guard.reservations import Hold, Reservations
from inbond.guard.sealer import Sealer
from inbond.guard.sealing import Ring
from inbond.guard.sealing_keys import fresh_ring
from inbond.guard.seen import Seen
from inbond.guard.sending import Sending
from inbond.guard.standing import Standings
from inbond.guard.state import State
from inbond.guard.upstream import Answer, Upstream, UpstreamError, headers_for
from inbond.guard.wire import Asked
from inbond.ledger.issuer_keys import WELL_KNOWN
from inbond.ledger.receipts import HEADER

_LOG: Final = logging.getLogger(__name__)


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
        self._callers = callers
        self._upstream = upstream
        self._seen = seen
        self._clock = clock
        self._issuer = issuer
        self._standings = standings
        self._observer = observer
        self._sealer = Sealer(ring or fresh_ring(clock()), config.sealing.expires_s, clock)
        self.reservations = Reservations(state, config.when_state_is_lost, clock)
        self.metrics = Metrics()
        self._under_way: set[asyncio.Task[object]] = set()
        self._cutting = False
        self.draining = False
        self.spoke: set[object] = set()
        """Connections on which a request came; ``serve`` takes out those that are gone."""
        self._probes = Probes(
            self.reservations, upstream, self.metrics, when_lost=config.when_state_is_lost,
            metrics_for=config.metrics_for, draining=lambda: self.draining,
            unseen=lambda: gauges.unseen(callers(), observer),
        )  # fmt: skip
        self.metrics.watch("in_flight", "Requests that have not ended.", lambda: self.in_flight)
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
        app = web.Application(client_max_size=self._config.body_bytes)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        app.on_response_prepare.append(outgoing.unnamed)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, from its key to its last byte."""
        self.spoke.add(request.protocol)
        if request.raw_path.partition("?")[0] in PATHS:
            found = await self._probes.answer(request)
            if found is not None:
                return found
        if self._issuer is not None and (request.method, request.raw_path) == ("GET", WELL_KNOWN):
            return web.Response(body=self._issuer.keys, content_type="application/json")
        seen = Seen(uuid.uuid4().hex, request.raw_path.partition("?")[0], began=time.perf_counter())
        task = asyncio.current_task()
        assert task is not None, "requests are handled in tasks"
        self._under_way.add(task)
        try:
            response = await self._answer(request, seen)
            if not response.prepared:
                await self._send_whole(request, response, seen)
            return response
        except Refusal as refusal:
            seen.status, seen.code = refusal.status, refusal.code
            return await self._refuse(request, refusal, seen)
        except (asyncio.CancelledError, ConnectionError) as error:
            seen.code = seen.code or "client_gone"
            if seen.status or not self._cutting or isinstance(error, ConnectionError):
                raise
            return await self._ended(request, seen)
        finally:
            self._under_way.discard(task)
            seen.ended = time.perf_counter()
            self.metrics.add(seen)
            self._seen(seen)

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        if self.draining:
            raise refusals.draining()
        route = incoming.route_of(request, self._config)
        caller = incoming.caller_of(request, self._callers())
        scopes = await self._standing(caller, seen)
        if route is None:
            return await self._pass(request, scopes, seen)
        asked = await incoming.asked_of(request, route, self._config)
        seen.model = asked.model
        policy = self._config.policy(asked.model)
        if policy is None:
            raise refusals.no_model(asked.model)
        if reasoning.unread(standing.shows(policy, actions.steps(seen.tier)), asked):
            raise refusals.unread_prompt()
        sent, back = self._sealer.opened(caller, standing.asks(asked, actions.steps(seen.tier)))
        seen.sealed, seen.foreign = back.outcome, back.foreign
        estimate = Usage(asked.prompt_tokens, asked.completion_tokens(policy.default_max_tokens))
        hold = await self.reservations.hold(seen.id, scopes, estimate, policy.price)
        most = Usage(asked.prompt_most, estimate.completion_tokens)
        metered = meter.Meter(most, stream=asked.stream, answers=asked.answers, prompts=asked.prompts)
        try:
            headers = headers_for(request.headers)
            body = passing.body_of(sent, policy.default_max_tokens, self._config.upstream.limit_field)
            answer = await self._send("POST", route, headers, body, asked.stream)
            try:
                return await self._relay(request, answer, asked, metered, hold, seen)
            finally:
                answer.close()
        except Refusal:
            metered.failed()
            raise
        finally:
            try:
                seen.usage = metered.usage()
                await self.reservations.settle(hold, seen.usage)
            finally:
                self._observe(request, caller, asked, seen)

    # Who asks, and for what -----------------------------------------------------------------------------

    async def _standing(self, caller: Caller, seen: Seen) -> Scopes:
        """The limits that its tier leaves to a caller. Raises Refusal for a suspended account."""
        seen.caller = caller
        if self._standings is None:
            return caller.scopes
        found = await self._standings.of(caller)
        seen.tier = found.tier
        if found.suspended:
            raise refusals.suspended()
        return standing.under(caller, found.steps)

    def _observe(self, request: web.Request, caller: Caller, asked: Asked, seen: Seen) -> None:
        """Hands what was said to detection, which forgets it as soon as it has made a mark of it."""
        if self._observer is None:
            return
        used = seen.usage or Usage(0, 0)
        at = self._clock()
        about = About(
            at, seen.id, caller.name, caller.tenant, caller.org,
            caller.registration_for(asked.model, at) is not None, request.remote, None,
            request.headers.get("user-agent"), caller.payment, caller.mail_domain, caller.created,
            caller.plan, asked.model, None, used.prompt_tokens, used.completion_tokens, seen.sealed,
            foreign=seen.foreign,
        )  # fmt: skip
        try:
            self._observer.take(about, "\n".join(asked.system), wire.said_last(asked))
        except Exception:  # the answer is given, and detection is no part of it
            _LOG.exception("detection could not take a request in")

    # The upstream ---------------------------------------------------------------------------------------

    async def _send(
        self, method: str, route: str, headers: Mapping[str, str], body: bytes | None, stream: bool = False
    ) -> Answer:
        try:
            answer = await self._upstream.send(method, route, headers, body, stream)
        except UpstreamError as error:
            raise refusals.upstream_failed(error.reason) from None
        if answer.status in (401, 403) or not (200 <= answer.status < 300 or 400 <= answer.status < 600):
            answer.close()  # it is the guard whom the upstream does not know or understand, not the caller
            raise refusals.upstream_failed("refused")
        return answer

    async def _pass(self, request: web.Request, scopes: Scopes, seen: Seen) -> web.StreamResponse:
        """The list of models: counted as a request. The upstream is asked where others than the configured
        ones are served."""
        nothing = Usage(0, 0)
        hold = await self.reservations.hold(seen.id, scopes, nothing, ModelPolicy().price)
        found = b""
        try:
            if self._config.unlisted is not None:
                answer = await self._send("GET", "models", headers_for(request.headers), None)
                try:
                    found = await passing.whole(answer)
                    if answer.status >= 400:
                        raise refusals.upstream_failed("refused")
                finally:
                    answer.close()
        finally:
            await self.reservations.settle(hold, nothing)
        seen.status = 200
        body = models.listed(self._config.models, self._config.issuer, found)
        return web.Response(headers={"x-request-id": seen.id}, body=body, content_type="application/json")

    async def _relay(
        self, request: web.Request, answer: Answer, asked: Asked, metered: meter.Meter, hold: Hold, seen: Seen
    ) -> web.StreamResponse:
        headers = outgoing.headers_of(answer, seen)
        draft = self._draft(answer, asked, seen)
        if asked.stream and answer.status < 400:
            seen.status = answer.status
            return await self._stream(request, answer, asked, metered, headers, hold, seen, draft)
        body = Body.of(await passing.whole(answer))
        if answer.status < 400:
            metered.body(body)
            body = passing.shown(body, asked, self._hiding(asked, seen))
        elif self._hiding(asked, seen) is not None:
            seen.error_bytes = len(body.data)
            raise answer_errors.told(answer.status, body.data, answer.headers.get("retry-after", ""))
        else:
            metered.failed()
        seen.status = answer.status
        token = draft.whole(body, self._clock()) if draft else None
        headers |= {HEADER: token} if token else {}
        seen.first_byte = time.perf_counter()
        response = web.Response(status=answer.status, headers=headers, body=body.data)
        if not self.reservations.waits:
            await self._send_whole(request, response, seen)
        return response

    async def _stream(
        self, request: web.Request, answer: Answer, asked: Asked, metered: meter.Meter,
        headers: Mapping[str, str], hold: Hold, seen: Seen, draft: Draft | None,
    ) -> web.StreamResponse:  # fmt: skip
        response = web.StreamResponse(status=answer.status, headers=headers)
        sending = Sending(request, response, self._config.client_silence_s)
        events = "event-stream" in answer.headers.get("content-type", "")
        stamp = Stamp(draft, self._clock) if draft and events else None
        try:
            await sending.begin()
            async for piece in passing.events(answer, asked, metered, self._hiding(asked, seen)):
                data = stamp.feed(piece.data) if stamp else piece.data
                if not data:
                    continue
                if seen.first_byte is None:
                    seen.first_byte = time.perf_counter()
                if piece.last:  # whoever asks again as soon as he has it finds his seat free
                    await self.reservations.settle(hold, metered.usage())
                await sending.write(data)
                if stamp:
                    stamp.look()
            await self.reservations.settle(hold, metered.usage())
            if stamp and (rest := stamp.end()):
                await sending.write(rest)
            await sending.end()
        except TimeoutError:
            outgoing.cut(request, seen)
        except asyncio.CancelledError:
            if self._cutting:
                await outgoing.last_words(response, seen)
            raise
        finally:
            sending.close()
        return response

    def _hiding(self, asked: Asked, seen: Seen) -> Hiding | None:
        policy = self._config.policy(asked.model)
        assert policy is not None, "a model without a policy was refused"
        assert seen.caller is not None, "nobody is answered without a key"
        shown = standing.shows(policy, actions.steps(seen.tier))
        return self._sealer.hiding(shown, seen.caller, asked)

    def _draft(self, answer: Answer, asked: Asked, seen: Seen) -> Draft | None:
        """The beginning of a receipt, where there is something to give one for."""
        if self._issuer is None or seen.caller is None or answer.status >= 400:
            return None
        return self._issuer.begin(seen.id, seen.caller, asked.model, asked.value, self._clock())

    # Back to the caller ---------------------------------------------------------------------------------

    async def _send_whole(self, request: web.Request, response: web.StreamResponse, seen: Seen) -> None:
        """Sends an answer, to whoever takes it in time."""
        try:
            async with asyncio.timeout(self._config.client_silence_s):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            outgoing.cut(request, seen)

    async def _ended(self, request: web.Request, seen: Seen) -> web.Response:
        """For whoever waits for an answer that there is no time for."""
        refusal = refusals.ended()
        seen.status, seen.code = refusal.status, refusal.code
        return await self._refuse(request, refusal, seen)

    async def _refuse(self, request: web.Request, refusal: Refusal, seen: Seen) -> web.Response:
        headers = {**refusal.headers, "x-request-id": seen.id}
        response = web.Response(
            status=refusal.status, headers=headers, body=refusal.body, content_type="application/json"
        )
        if self.draining or not request.content.at_eof():
            response.force_close()  # what is left of a body is not waited for
        await self._send_whole(request, response, seen)
        return response
