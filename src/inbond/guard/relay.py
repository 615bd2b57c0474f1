"""An answer on its way from the upstream to the caller, whole or as a stream: it is counted, its reasoning is
hidden, and it gets a receipt. A stream's status is sent before its end is known, a whole answer's is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from aiohttp import web

from inbond.guard import answer_errors, caching, outgoing, passing, reasoning, sending
from inbond.guard.body import Body
from inbond.guard.callers import Caller
from inbond.guard.config import ModelPolicy
from inbond.guard.hiding import Hiding
from inbond.guard.meter import Meter
from inbond.guard.receipts import Draft, Issuer, Stamp
from inbond.guard.reservations import Hold, Reservations
from inbond.guard.sealer import Sealer
from inbond.guard.seen import Seen
from inbond.guard.sending import Sending
from inbond.guard.upstream import Answer
from inbond.guard.wire import Asked
from inbond.ledger.receipts import HEADER


@final
@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that has passed the layers and holds its budget, with what its answer is measured by. It
    was ``asked`` by the caller and ``sent`` to the upstream with what he handed back opened. ``policy`` is
    the model's as the caller's tier leaves it; ``seen`` is told how it goes on."""

    request: web.Request
    seen: Seen
    caller: Caller
    asked: Asked
    sent: Asked
    policy: ModelPolicy
    hold: Hold
    metered: Meter


@final
@dataclass(frozen=True, slots=True)
class Relay:
    """Passes answers on. A caller may take ``silence_s`` for what he is given. ``tells_caches``: answers may
    say what was in a cache. ``cutting`` says whether there is no time left for what is under way."""

    reservations: Reservations
    sealer: Sealer
    issuer: Issuer | None
    clock: Callable[[], float]
    silence_s: float
    tells_caches: bool
    cutting: Callable[[], bool]

    async def pass_on(self, exchange: Exchange, answer: Answer) -> web.StreamResponse:
        """The response, which may have been sent already. Raises Refusal where an answer cannot be shown."""
        asked, seen, metered = exchange.asked, exchange.seen, exchange.metered
        headers = outgoing.headers_of(answer, seen)
        draft = self._draft(exchange, answer)
        if asked.stream and answer.status < 400:
            seen.status = answer.status
            return await self._stream(exchange, answer, headers, draft)
        body = Body.of(await passing.whole(answer))
        if answer.status < 400:
            metered.body(body)
            body = passing.shown(body, asked, self._hiding(exchange))
        else:
            shown = reasoning.passes(exchange.policy, asked)
            metered.error(answer.status, body, asked.prompt_tokens, shown=shown)
            if not shown:
                seen.error_bytes = len(body.data)
                raise answer_errors.told(answer.status, body.data, answer.headers.get("retry-after", ""))
        body = body if self.tells_caches else caching.untold_body(body)
        seen.status = answer.status
        token = draft.whole(body, self.clock()) if draft else None
        headers |= {HEADER: token} if token else {}
        seen.first_byte = time.perf_counter()
        response = web.Response(status=answer.status, headers=headers, body=body.data)
        if not self.reservations.waits:
            await sending.whole(exchange.request, response, self.silence_s, seen)
        return response

    async def _stream(
        self, exchange: Exchange, answer: Answer, headers: Mapping[str, str], draft: Draft | None
    ) -> web.StreamResponse:
        asked, seen, metered = exchange.asked, exchange.seen, exchange.metered
        response = web.StreamResponse(status=answer.status, headers=headers)
        out = Sending(exchange.request, response, self.silence_s)
        events = "event-stream" in answer.headers.get("content-type", "")
        stamp = Stamp(draft, self.clock, asked.answers) if draft and events else None
        try:
            await out.begin()
            hiding = self._hiding(exchange)
            async for piece in passing.events(answer, asked, metered, hiding):
                data = piece.data if self.tells_caches else caching.untold(piece.data)
                data = stamp.feed(data) if stamp else data
                if not data:
                    continue
                if seen.first_byte is None:
                    seen.first_byte = time.perf_counter()
                if piece.last:  # whoever asks again as soon as he has it finds his seat free
                    await self.reservations.settle(exchange.hold, metered.usage())
                await out.write(data)
                if stamp:
                    stamp.look()
            await self.reservations.settle(exchange.hold, metered.usage())
            if stamp and (rest := stamp.end()):
                await out.write(rest)
            await out.end()
        except TimeoutError:
            outgoing.cut(exchange.request, seen)
        except asyncio.CancelledError:
            if self.cutting():
                await outgoing.last_words(response, seen)
            raise
        finally:
            out.close()
        return response

    def _hiding(self, exchange: Exchange) -> Hiding | None:
        return self.sealer.hiding(exchange.policy, exchange.caller, exchange.asked, exchange.sent)

    def _draft(self, exchange: Exchange, answer: Answer) -> Draft | None:
        """The beginning of a receipt, where there is something to give one for."""
        if self.issuer is None or answer.status >= 400:
            return None
        asked = exchange.asked
        return self.issuer.begin(exchange.seen.id, exchange.caller, asked.model, asked.value, self.clock())
