"""The way of one request: whose key it brings, how its account stands, what it asks for, what is held for it;
to the upstream and back; and whatever was held is settled. What each layer decides is its own module's: here
is only what comes after what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from aiohttp import web

from inbond.guard import actions, incoming, meter, models, passing, reasoning, refusals, standing, wire
from inbond.guard.budget import Scopes, Usage
from inbond.guard.caching import Caches
from inbond.guard.callers import Caller, Callers
from inbond.guard.config import GuardConfig, ModelPolicy
from inbond.guard.marks import About
from inbond.guard.observe import Observer
from inbond.guard.reading import Reader
from inbond.guard.refusals import Refusal
from inbond.guard.relay import Exchange, Relay
from inbond.guard.reservations import Reservations
from inbond.guard.sealer import Sealer
from inbond.guard.seen import Seen
from inbond.guard.standing import Standings
from inbond.guard.uploads import Room, Uploads
from inbond.guard.upstream import Answer, Upstream, UpstreamError, headers_for
from inbond.guard.wire import Asked, Route

_LOG: Final = logging.getLogger(__name__)
_NOTHING: Final = Usage(0, 0)


@final
@dataclass(frozen=True, slots=True)
class Layers:
    """What every request passes. Without standings everybody is at tier 0; without an observer nothing is
    remembered of requests."""

    config: GuardConfig
    callers: Callable[[], Callers]
    uploads: Uploads
    reader: Reader
    reservations: Reservations
    sealer: Sealer
    upstream: Upstream
    relay: Relay
    caches: Caches
    clock: Callable[[], float]
    standings: Standings | None
    observer: Observer | None

    async def answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        """The response, sent already or to be sent. ``seen`` learns what is found on the way. Raises
        Refusal."""
        route = incoming.route_of(request, self.config)
        caller = incoming.caller_of(request, self.callers())
        scopes = await self._standing(caller, seen)
        if route is None:
            return await self._models(request, scopes, seen)
        room = self.uploads.room(caller.name)
        try:
            asked, policy = await self._asked(request, route, caller, scopes, room, seen)
            return await self._answered(request, caller, asked, policy, scopes, seen)
        finally:
            room.give_back()

    async def _answered(
        self, request: web.Request, caller: Caller, asked: Asked, policy: ModelPolicy, scopes: Scopes,
        seen: Seen,
    ) -> web.StreamResponse:  # fmt: skip
        """The answer to what is understood: held, sent, passed on and settled. Raises Refusal."""
        known = standing.asks(asked, actions.steps(seen.tier))
        sent, back = self.sealer.opened(caller, known, policy.tags)
        seen.sealed, seen.foreign = back.outcome, back.foreign
        estimate = Usage(asked.prompt_tokens, asked.completion_tokens(policy.default_max_tokens))
        hold = await self.reservations.hold(seen.id, scopes, estimate, policy.price)
        most = Usage(asked.prompt_most, estimate.completion_tokens)
        metered = meter.Meter(most, stream=asked.stream, answers=asked.answers, prompts=asked.prompts)
        try:
            answer = await self._passed(request, caller, sent, policy)
            try:
                exchange = Exchange(request, seen, caller, asked, sent, policy, hold, metered)
                return await self.relay.pass_on(exchange, answer)
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

    async def _standing(self, caller: Caller, seen: Seen) -> Scopes:
        """The limits that its tier leaves to a caller. Raises Refusal for a suspended account."""
        seen.caller = caller
        if self.standings is None:
            return caller.scopes
        found = await self.standings.of(caller)
        seen.tier = found.tier
        if found.suspended:
            raise refusals.suspended()
        return standing.under(caller, found.steps)

    async def _asked(
        self, request: web.Request, route: Route, caller: Caller, scopes: Scopes, room: Room, seen: Seen
    ) -> tuple[Asked, ModelPolicy]:
        """What the body asks for, and the policy for it. Raises Refusal; one for what the body says counts as
        a request, since it was read."""
        self.reservations.check(scopes)
        try:
            asked = await incoming.asked_of(request, route, self.uploads, room, self.reader, caller)
            return asked, self._policy(asked, seen)
        except Refusal as refusal:
            if refusal.status < 500:
                hold = await self.reservations.hold(seen.id, scopes, _NOTHING, ModelPolicy().price)
                await self.reservations.settle(hold, _NOTHING)
            raise

    def _policy(self, asked: Asked, seen: Seen) -> ModelPolicy:
        """The model's policy as the caller's tier leaves it. Raises Refusal: there is none, or a prompt that
        it cannot be kept for."""
        seen.model = asked.model
        policy = self.config.policy(asked.model)
        if policy is None:
            raise refusals.no_model(asked.model)
        policy = standing.shows(policy, actions.steps(seen.tier))
        if reasoning.unread(policy, asked):
            raise refusals.unread_prompt()
        return policy

    async def _models(self, request: web.Request, scopes: Scopes, seen: Seen) -> web.StreamResponse:
        """The list of models: counted as a request. The upstream is asked where others than the configured
        ones are served."""
        hold = await self.reservations.hold(seen.id, scopes, _NOTHING, ModelPolicy().price)
        found = b""
        try:
            if self.config.unlisted is not None:
                answer = await self._send("GET", "models", headers_for(request.headers), None)
                try:
                    found = await passing.whole(answer)
                    if answer.status >= 400:
                        raise refusals.upstream_failed("refused")
                finally:
                    answer.close()
        finally:
            await self.reservations.settle(hold, _NOTHING)
        seen.status = 200
        body = models.listed(self.config.models, self.config.issuer, found)
        return web.Response(headers={"x-request-id": seen.id}, body=body, content_type="application/json")

    async def _passed(self, request: web.Request, caller: Caller, sent: Asked, policy: ModelPolicy) -> Answer:
        own = self.caches.named(sent, caller.tenant)
        body = passing.body_of(own, policy.default_max_tokens, self.config.upstream.limit_field)
        return await self._send("POST", sent.route, headers_for(request.headers), body, sent.stream)

    async def _send(
        self, method: str, route: str, headers: Mapping[str, str], body: bytes | None, stream: bool = False
    ) -> Answer:
        try:
            answer = await self.upstream.send(method, route, headers, body, stream)
        except UpstreamError as error:
            raise refusals.upstream_failed(error.reason) from None
        if answer.status in (401, 403) or not (200 <= answer.status < 300 or 400 <= answer.status < 600):
            answer.close()  # it is the guard whom the upstream does not know or understand, not the caller
            raise refusals.upstream_failed("refused")
        return answer

    def _observe(self, request: web.Request, caller: Caller, asked: Asked, seen: Seen) -> None:
        """Hands what was said to detection, which forgets it as soon as it has made a mark of it."""
        if self.observer is None:
            return
        used = seen.usage or _NOTHING
        at = self.clock()
        about = About(
            at, seen.id, caller.name, caller.tenant, caller.org,
            caller.registration_for(asked.model, at) is not None, request.remote, None,
            request.headers.get("user-agent"), caller.payment, caller.mail_domain, caller.created,
            caller.plan, asked.model, None, used.prompt_tokens, used.completion_tokens, seen.sealed,
            foreign=seen.foreign,
        )  # fmt: skip
        try:
            self.observer.take(about, "\n".join(asked.system), wire.said_last(asked))
        except Exception:  # the answer is given, and detection is no part of it
            _LOG.exception("detection could not take a request in")
