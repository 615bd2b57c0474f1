"""Hidden reasoning in answers, as bytes: whole bodies, and streams event by event. Pure.

``pass`` changes no byte. Under the other policies an event without reasoning passes as it came, in its own
bytes; one with reasoning is written anew without it, or left out. Nothing waits but what may be the beginning
of a tag. Counts of tokens stay as the upstream told them. What cannot be read, and so might be reasoning, is
left out.

Hiding is friction and no wall: an answer that explains itself teaches much of what its reasoning would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, final

from inbond.guard import sse
from inbond.guard.config import ModelPolicy
from inbond.guard.conversation import messages
from inbond.guard.hiding import Hiding
from inbond.guard.hiding_chat import ChatStream, hide_chat
from inbond.guard.hiding_responses import ResponsesStream, hide_response
from inbond.guard.tags import Scanner, Tags
from inbond.guard.wire import Asked

_SIGN_OF_LIFE: Final = sse.comment("reasoning")
_SIGN_EVERY: Final = 64
_TELLING: Final = (
    rb"(?<!finish_)(?<!stop_)reason",
    rb"think",
    rb"thought",
    rb"_verbose",
    rb"completion_prob",
    rb"token_ids",
    rb"\\u",
)
"""Without any of these words, or the first letter of a tag, an event has no reasoning. A letter may also
stand escaped."""


class NotUnderstoodError(ValueError):
    """A whole answer that is no JSON object: nobody knows what of it is reasoning."""


def hiding_for(policy: ModelPolicy, asked: Asked, seal: Callable[[str], str]) -> Hiding | None:
    """How the answer's reasoning is hidden; None where all of it passes."""
    if policy.reasoning == "pass" or asked.route == "embeddings":
        return None
    begun = Scanner(policy.tags, inside=policy.begins_inside)
    begun.feed(_prefilled(asked))
    inside, prefilled = begun.state
    return Hiding(policy.reasoning, policy.tags, inside, prefilled, seal)


def hide_body(asked: Asked, hiding: Hiding, data: bytes) -> bytes:
    """A whole answer; the same bytes when nothing is hidden in it. Raises NotUnderstoodError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError("the answer is no JSON") from error
    if not isinstance(value, dict):
        raise NotUnderstoodError("the answer is no JSON object")
    shown = hide_response(hiding, value) if asked.route == "responses" else hide_chat(hiding, value)
    return data if shown is value else _written(shown)


@final
class Stream:
    """One streamed answer."""

    def __init__(self, asked: Asked, hiding: Hiding) -> None:
        self._asked = asked
        self._hiding = hiding
        self._values = ResponsesStream(hiding) if asked.route == "responses" else ChatStream(hiding)
        self._telling = _telling(hiding.tags)
        self._left_out = 0

    def event(self, found: sse.Event) -> bytes:
        """What is sent in the place of an event: its own bytes, others, or none."""
        if found.data is None:
            lines = [line for line in found.raw.splitlines() if line.startswith(b":")]
            return b"".join(line + b"\n" for line in lines) + b"\n" if lines else b""
        if found.data == sse.DONE:
            return self._events(self._values.finish()) + found.raw
        if self._values.idle and _is_object(found.data) and not self._telling.search(found.data):
            return found.raw
        try:
            value = json.loads(found.data)
        except (ValueError, RecursionError):
            return b""
        if not isinstance(value, dict):
            return b""
        shown = self._values.event(value)
        if shown is None:
            return found.raw
        return self._events(shown) if shown else self._sign_of_life()

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


@lru_cache(maxsize=64)
def _telling(tags: Tags) -> re.Pattern[bytes]:
    letters = {begin[0].encode("utf-8", "surrogatepass") for begin, _ in tags.pairs}
    return re.compile(b"|".join([*_TELLING, *(re.escape(each) for each in sorted(letters))]), re.IGNORECASE)


def _is_object(data: bytes) -> bool:
    """By its looks: enough where no word in it tells of reasoning."""
    return data.startswith(b"{") and data.endswith(b"}")


def _is_name(kind: Any) -> bool:
    return isinstance(kind, str) and kind.isascii() and kind.isprintable()


def _written(value: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _prefilled(asked: Asked) -> str:
    """What the caller wrote of the answer itself, which may have opened a tag."""
    if asked.route == "completions":
        return "\n".join(asked.user)
    found = messages(asked.route, asked.value)
    last = found[-1] if found else None
    if not isinstance(last, dict) or last.get("role") != "assistant":
        return ""
    content = last.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, dict))
