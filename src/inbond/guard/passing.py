"""What passes between a caller and the upstream: a request as it is sent, an answer as it comes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.guard import fields, meter, reasoning, refusals, sse
from inbond.guard.body import Body
from inbond.guard.hiding import Hiding
from inbond.guard.upstream import Answer, UpstreamError
from inbond.guard.wire import Asked
from inbond.ledger.receipts import HEADER

MOST_BODY: Final = 256 * 2**20
"""A whole answer is held in memory: none is so long."""
_RECEIPT: Final = HEADER.encode()
_LIMIT_OF: Final = {"completions": "max_tokens", "responses": "max_output_tokens"}


@final
@dataclass(frozen=True)
class Piece:
    """Bytes of a stream for the caller. ``last``: with them he has the whole answer, so that whatever must be
    done before he asks again is done before he gets them."""

    data: bytes
    last: bool = False


def body_of(asked: Asked, unless_said: int, chat_limit: str = "max_tokens") -> bytes:
    """The request as it is sent: as asked, but for the most tokens of an answer, which are said by one name
    and as they were held (``unless_said`` where the caller says none; ``chat_limit`` is a chat's name for
    them), the count of tokens at the end of a stream, and that nothing is kept."""
    value = dict(asked.value)
    if asked.route != "embeddings":
        _limit(value, asked, unless_said, chat_limit)
    if asked.route == "responses":
        value["store"] = False
    if asks_usage(asked):
        options = value.get("stream_options")
        kept: dict[str, Any] = dict(options) if isinstance(options, dict) else {}
        value["stream_options"] = {**kept, "include_usage": True}
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot hold
        return json.dumps(value).encode()


def _limit(value: dict[str, Any], asked: Asked, unless_said: int, chat_limit: str) -> None:
    for name in fields.LIMITS:
        value.pop(name, None)
    name = _LIMIT_OF.get(asked.route, chat_limit)
    value[name] = unless_said if asked.most_tokens is None else asked.most_tokens


def asks_usage(asked: Asked) -> bool:
    """Whether the guard asks for the count of tokens that the caller did not ask for."""
    return asked.stream and not asked.wants_usage and asked.route in ("chat/completions", "completions")


async def events(
    answer: Answer, asked: Asked, metered: meter.Meter, hiding: Hiding | None
) -> AsyncIterator[Piece]:
    """The stream as the caller gets it: as it came, but for reasoning that is hidden, and a count of tokens
    that only we asked for. An upstream that dies within ends it with an error event, since a status was sent
    already."""
    found = sse.Events()
    hidden = reasoning.Stream(asked, hiding) if hiding else None
    drop_usage = asks_usage(asked)
    try:
        async for chunk in answer.chunks():
            out: list[bytes] = []
            for received in found.feed(chunk):
                event = without_receipt(received)
                if metered.over and event.data not in (None, sse.DONE):
                    continue  # what comes after the end is settled by nobody
                again = metered.over
                alone = metered.event(event)
                last = metered.over and not again
                if last and any(out):
                    yield Piece(b"".join(out))
                    out = []
                if last:
                    yield Piece(hidden.event(event) if hidden else event.raw, last=True)
                elif not (alone and drop_usage):
                    out.append(hidden.event(event) if hidden else event.raw)
            if any(out):
                yield Piece(b"".join(out))
        left = without_receipt(sse.Event(found.rest, None)).raw
        if not metered.over:
            metered.rest(left)
            if rest := hidden.finish(left) if hidden else left:
                yield Piece(rest)
    except (UpstreamError, sse.TooLongError):
        yield Piece(sse.event(refusals.upstream_failed("broken").body))


def without_receipt(event: sse.Event) -> sse.Event:
    """An event without a comment that an upstream made look like a receipt of the guard's: by any line end,
    since clients know three."""
    if _RECEIPT not in event.raw.lower():
        return event
    lines = event.raw.removeprefix(sse.BOM).splitlines(keepends=True)
    kept = b"".join(line for line in lines if not _is_receipt(line))
    return sse.Event(kept if kept.strip() else b"", event.data)


def _is_receipt(line: bytes) -> bool:
    return line.startswith(b":") and line[1:].strip().lower().startswith(_RECEIPT)


def shown(body: Body, asked: Asked, hiding: Hiding | None) -> Body:
    """A whole answer as the caller gets it. Raises Refusal for one that cannot be read, since it might be
    reasoning."""
    if hiding is None:
        return body
    try:
        return reasoning.hide(asked, hiding, body)
    except reasoning.NotUnderstoodError:
        raise refusals.upstream_failed("broken") from None


async def whole(answer: Answer) -> bytes:
    """An answer that is not a stream. Raises Refusal when it breaks off or does not end."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in answer.chunks():
            chunks.append(chunk)
            size += len(chunk)
            if size > MOST_BODY:
                raise refusals.upstream_failed("broken")
    except UpstreamError as error:
        raise refusals.upstream_failed(error.reason) from None
    return b"".join(chunks)
