"""Hidden reasoning in answers, as bytes: whole bodies, and streams event by event. Pure.

``pass`` changes no byte. Under the other policies an event in which everything is known and shown passes as
it came; any other is written anew without what is hidden or not known, or left out. Nothing waits but what
may be the beginning of a tag. Counts of tokens stay as the upstream told them. What cannot be read, and so
might be reasoning, is left out; comments keep the connection alive and lose their words.

Hiding is friction and no wall: an answer that explains itself teaches much of what its reasoning would.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, final

from inbond.guard import prefills, sse
from inbond.guard.body import Body, decoded
from inbond.guard.config import ModelPolicy
from inbond.guard.hiding import Hiding
from inbond.guard.hiding_chat import ChatStream, hide_chat
from inbond.guard.hiding_responses import ResponsesStream, hide_response
from inbond.guard.likeness import Likeness, likeness
from inbond.guard.wire import Asked

_SIGN_OF_LIFE: Final = sse.comment("reasoning")
_SIGN_EVERY: Final = 64
_COMMENT: Final = b":\n\n"


class NotUnderstoodError(ValueError):
    """A whole answer that is no JSON object: nobody knows what of it is reasoning."""


def passes(policy: ModelPolicy, asked: Asked) -> bool:
    """Whether an answer is shown as it comes."""
    return policy.reasoning == "pass" or asked.route == "embeddings"


def unread(policy: ModelPolicy, asked: Asked) -> bool:
    """Whether a prompt is given as numbers of tokens: nobody here could tell whether it opens a tag."""
    if policy.reasoning == "pass" or asked.route != "completions":
        return False
    prompt = asked.value.get("prompt")
    return any(not isinstance(each, str) for each in (prompt if isinstance(prompt, list) else [prompt]))


def hiding_for(policy: ModelPolicy, sent: Asked, seal: Callable[[str], str]) -> Hiding | None:
    """How the answer's reasoning is hidden; None where all of it passes. ``sent`` is the request as the
    upstream gets it, with what was put back of sealed reasoning."""
    if policy.reasoning == "pass" or passes(policy, sent):
        return None
    each = sent.value.get("n") or 1
    number = each if isinstance(each, int) else 1
    return Hiding(
        policy.reasoning, policy.tags, prefills.begun(policy, sent), number, seal, sent.route == "completions"
    )


def hide(asked: Asked, hiding: Hiding, body: Body) -> Body:
    """A whole answer; itself when nothing is hidden in it. Raises NotUnderstoodError."""
    if not body.read:
        raise NotUnderstoodError("the answer is no JSON")
    if not isinstance(body.value, dict):
        raise NotUnderstoodError("the answer is no JSON object")
    responds = asked.route == "responses"
    shown = hide_response(hiding, body.value) if responds else hide_chat(hiding, body.value)
    return body if shown is body.value and body.once else Body(_written(shown), shown, read=True, once=True)


def hide_body(asked: Asked, hiding: Hiding, data: bytes) -> bytes:
    """As ``hide``, of bytes."""
    return hide(asked, hiding, Body.of(data)).data


@final
class Stream:
    """One streamed answer."""

    def __init__(self, asked: Asked, hiding: Hiding) -> None:
        self._asked = asked
        self._hiding = hiding
        self._values = ResponsesStream(hiding) if asked.route == "responses" else ChatStream(hiding)
        self._like: Likeness | None = None
        self._left_out = 0

    def event(self, found: sse.Event) -> bytes:
        """What is sent in the place of an event: its own bytes, others, or none."""
        if found.data is None:
            return _COMMENT if any(line.startswith(b":") for line in found.raw.splitlines()) else b""
        if found.data == sse.DONE:
            return self._events(self._values.finish()) + sse.event(sse.DONE)
        if self._like is not None and self._like.fits(found.data) and self._values.idle:
            return _framed(found.data)
        try:
            value, once = decoded(found.data)
        except (ValueError, RecursionError):
            return b""
        if not isinstance(value, dict):
            return b""
        shown = self._values.event(value)
        if shown is not None or not once:
            return self._events([value] if shown is None else shown) or self._sign_of_life()
        if b"\n" in found.data or self._asked.route == "responses":
            return self._event(value) if found.raw != _named(value, found.data) else found.raw
        self._like = likeness(found.data, value, self._hiding.tags)
        return _framed(found.data)

    def finish(self, rest: bytes) -> bytes:
        """The stream is over; ``rest`` came after its last whole event. An upstream that answers a request
        for a stream with a whole body is understood."""
        if rest.strip().startswith(b"{"):
            try:
                return hide_body(self._asked, self._hiding, rest)
            except NotUnderstoodError:
                return b""
        last = b"".join(self.event(found) for found in sse.Events().feed(rest + b"\n\n")) if rest else b""
        return last + self._events(self._values.finish())

    def _events(self, values: list[dict[str, Any]]) -> bytes:
        return b"".join(self._event(value) for value in values)

    def _event(self, value: dict[str, Any]) -> bytes:
        kind = value.get("type")
        name = f"event: {kind}\n".encode() if self._asked.route == "responses" and _is_name(kind) else b""
        return name + sse.event(_written(value))

    def _sign_of_life(self) -> bytes:
        """A comment now and then, so that nobody in between takes a long thought for a lost connection."""
        self._left_out += 1
        return _SIGN_OF_LIFE if self._left_out % _SIGN_EVERY == 1 else b""


def _framed(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _named(value: Mapping[str, Any], data: bytes) -> bytes:
    """An event of a response as servers write it."""
    return f"event: {value.get('type')}\n".encode("utf-8", "replace") + _framed(data)


def _is_name(kind: Any) -> bool:
    return isinstance(kind, str) and kind.isascii() and kind.isprintable()


def _written(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
