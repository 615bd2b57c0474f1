"""The gateway: routes, and the order in which a request passes the layers. What each layer decides is its own
module's; here is only what comes after what, and that whatever was reserved is settled."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from aiohttp import web

from inbond.guard import budget, meter, refusals, sse, wire
from inbond.guard.budget import Full, Usage
from inbond.guard.callers import Caller, Callers
from inbond.guard.config import GuardConfig, ModelPolicy
from inbond.guard.refusals import Refusal
from inbond.guard.state import Held, State, StateLostError
from inbond.guard.upstream import Answer, Upstream, UpstreamError, headers_back, headers_for
from inbond.guard.wire import Asked, BadRequestError

_LEASE_S: Final = 120.0
_ROUTES: Final[Mapping[str, wire.Route]] = {f"/v1/{route}": route for route in wire.ROUTES}
_MODELS: Final = "/v1/models"


@final
@dataclass
class Seen:
    """One request as it went, for logs and metrics: no text of it. Times are in seconds."""

    id: str
    route: str
    caller: Caller | None = None
    model: str = ""
    status: int = 0
    code: str = ""
    usage: Usage | None = None
    began: float = 0.0
    first_byte: float | None = None
    ended: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A log line."""
        return {
            "request": self.id,
            "route": self.route[:200],
            "tenant": self.caller.tenant if self.caller else None,
            "account": self.caller.account if self.caller else None,
            "model": self.model[:200],
            "status": self.status,
            "code": self.code,
            "prompt_tokens": self.usage.prompt_tokens if self.usage else None,
            "completion_tokens": self.usage.completion_tokens if self.usage else None,
            "first_byte_ms": round((self.first_byte - self.began) * 1e3, 2) if self.first_byte else None,
            "ms": round((self.ended - self.began) * 1e3, 2),
        }


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
    ) -> None:
        self._config = config
        self._callers = callers
        self._state = state
        self._upstream = upstream
        self._seen = seen
        self._clock = clock
        self.state_lost = False

    def app(self) -> web.Application:
        app = web.Application(client_max_size=self._config.body_bytes)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, from its key to its last byte."""
        seen = Seen(uuid.uuid4().hex, request.rel_url.raw_path, began=time.perf_counter())
        try:
            return await self._answer(request, seen)
        except Refusal as refusal:
            seen.status, seen.code = refusal.status, refusal.code
            return _refused(refusal, seen)
        finally:
            seen.ended = time.perf_counter()
            self._seen(seen)

    async def _answer(self, request: web.Request, seen: Seen) -> web.StreamResponse:
        path = request.rel_url.raw_path
        route = _ROUTES.get(path)
        if (route is None or request.method != "POST") and (path != _MODELS or request.method != "GET"):
            raise refusals.no_route()
        caller = seen.caller = self._caller(request)
        if route is None:
            return await self._pass(request, caller, seen)
        asked = await self._asked(request, route)
        seen.model = asked.model
        policy = self._config.policy(asked.model)
        if policy is None:
            raise refusals.no_model(asked.model)
        estimate = Usage(asked.prompt_tokens, asked.completion_tokens(policy.default_max_tokens))
        held = await self._reserve(caller, estimate, policy, seen)
        metered = meter.Meter(estimate)
        ended = False
        try:
            answer = await self._send("POST", route, headers_for(request.headers), _body(asked))
            try:
                response = await self._relay(request, answer, asked, metered, seen)
                ended = True
                return response
            finally:
                answer.close()
        finally:
            used = metered.usage(ended=ended) if seen.status and seen.status < 400 else Usage(0, 0)
            seen.usage = used
            await asyncio.shield(self._settle(held, used, policy))

    # Who asks, and for what -----------------------------------------------------------------------------

    def _caller(self, request: web.Request) -> Caller:
        given = request.headers.getall("authorization", [])
        scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        caller = self._callers().find(key.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise refusals.no_key()
        return caller

    async def _asked(self, request: web.Request, route: wire.Route) -> Asked:
        try:
            body = await asyncio.wait_for(request.read(), self._config.client_silence_s)
        except web.HTTPRequestEntityTooLarge:
            raise refusals.too_large(self._config.body_bytes) from None
        except TimeoutError:
            raise refusals.bad_request("timeout", "The body did not come in time.") from None
        try:
            return wire.read(route, body)
        except BadRequestError as error:
            raise refusals.bad_request(error.code, str(error)) from None

    # Budgets --------------------------------------------------------------------------------------------

    async def _reserve(self, caller: Caller, estimate: Usage, policy: ModelPolicy, seen: Seen) -> Held | None:
        """None when the state is lost and requests pass all the same."""
        at = self._clock()
        claims = budget.claims(caller.scopes, estimate, policy.price, at)
        seats = budget.seats(caller.scopes)
        if not claims and not seats:
            return None
        try:
            found = await self._state.reserve(seen.id, claims, seats, at, _LEASE_S)
        except StateLostError:
            self.state_lost = True
            if self._config.when_state_is_lost == "closed":
                raise refusals.cannot_meter() from None
            return None
        self.state_lost = False
        if isinstance(found, Full):
            raise refusals.over_budget(f"{found.cap:,} {found.what}", found.wait_s)
        return found

    async def _settle(self, held: Held | None, used: Usage, policy: ModelPolicy) -> None:
        if held is not None:
            try:
                await self._state.settle(held, budget.settled(held.claims, used, policy.price))
            except StateLostError:
                self.state_lost = True

    # The upstream ---------------------------------------------------------------------------------------

    async def _send(self, method: str, route: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        try:
            return await self._upstream.send(method, route, headers, body)
        except UpstreamError as error:
            raise refusals.upstream_failed(error.reason) from None

    async def _pass(self, request: web.Request, caller: Caller, seen: Seen) -> web.StreamResponse:
        """A route without tokens: counted as a request, and passed on."""
        policy = ModelPolicy()
        held = await self._reserve(caller, Usage(0, 0), policy, seen)
        try:
            answer = await self._send("GET", "models", headers_for(request.headers), None)
            try:
                body = b"".join([chunk async for chunk in _whole(answer)])
            finally:
                answer.close()
        finally:
            await asyncio.shield(self._settle(held, Usage(0, 0), policy))
        seen.status = answer.status
        return web.Response(status=answer.status, headers=headers_back(answer.headers), body=body)

    async def _relay(
        self, request: web.Request, answer: Answer, asked: Asked, metered: meter.Meter, seen: Seen
    ) -> web.StreamResponse:
        seen.status = answer.status
        headers = {**headers_back(answer.headers), "x-request-id": seen.id}
        if asked.stream and answer.status < 400:
            return await self._stream(request, answer, asked, metered, headers, seen)
        body = b"".join([chunk async for chunk in _whole(answer)])
        _look(metered, body)
        seen.first_byte = time.perf_counter()
        return web.Response(status=answer.status, headers=headers, body=body)

    async def _stream(
        self, request: web.Request, answer: Answer, asked: Asked, metered: meter.Meter,
        headers: Mapping[str, str], seen: Seen,
    ) -> web.StreamResponse:  # fmt: skip
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for data in _events(answer, asked, metered):
            if seen.first_byte is None:
                seen.first_byte = time.perf_counter()
            await asyncio.wait_for(response.write(data), self._config.client_silence_s)
        await response.write_eof()
        return response


async def _events(answer: Answer, asked: Asked, metered: meter.Meter) -> AsyncIterator[bytes]:
    """The stream as the caller gets it: as it came, but for a count of tokens that only we asked for. An
    upstream that dies within ends it with an error event, since a status was sent already."""
    events = sse.Events()
    drop_usage = _asks_usage(asked)
    try:
        async for chunk in answer.chunks():
            out = []
            for event in events.feed(chunk):
                if not (metered.event(event) and drop_usage):
                    out.append(event.raw)
            if out:
                yield b"".join(out)
        if events.rest:
            yield events.rest
    except (UpstreamError, sse.TooLongError):
        yield sse.event(refusals.upstream_failed("broken").body)


async def _whole(answer: Answer) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.chunks():
            yield chunk
    except UpstreamError as error:
        raise refusals.upstream_failed(error.reason) from None


def _look(metered: meter.Meter, body: bytes) -> None:
    try:
        value = json.loads(body)
    except ValueError:
        return
    if isinstance(value, dict):
        metered.body(value)


def _asks_usage(asked: Asked) -> bool:
    """Whether the guard asks for the count of tokens that the caller did not ask for."""
    return asked.stream and not asked.wants_usage and asked.route in ("chat/completions", "completions")


def _body(asked: Asked) -> bytes:
    if not _asks_usage(asked):
        return json.dumps(asked.value, ensure_ascii=False).encode()
    options = asked.value.get("stream_options")
    kept: dict[str, Any] = dict(options) if isinstance(options, dict) else {}
    value = {**asked.value, "stream_options": {**kept, "include_usage": True}}
    return json.dumps(value, ensure_ascii=False).encode()


def _refused(refusal: Refusal, seen: Seen) -> web.Response:
    headers = {**refusal.headers, "x-request-id": seen.id}
    return web.Response(
        status=refusal.status, headers=headers, body=refusal.body, content_type="application/json"
    )
