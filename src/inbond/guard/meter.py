"""What an answer used, out of its bytes as they pass. Pure.

An upstream's own count is believed where it gives one with an answer's end, or beside the text of the only
answer; one of nothing is none. Else what passed is counted, and never too little: a piece of a stream is at
least one token, and text, asked or answered, has at most a token for each of its bytes. That is some four
times what English has: a server that counts is worth looking for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, final

from inbond.guard.body import Body
from inbond.guard.budget import Usage
from inbond.guard.sse import BOM, DONE, Event

_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_TEXT: Final = re.compile(
    rb'"(?:content|text|delta|arguments|refusal|reasoning|reasoning_content|summary)"\s*:\s*'
    rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
)
"""Text as JSON writes it: never shorter than its bytes."""
_STRING: Final = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(\s*:)?')
_NO_TEXT: Final = frozenset(
    {
        b"id", b"object", b"model", b"role", b"type", b"name", b"status", b"finish_reason", b"stop_reason",
        b"system_fingerprint", b"service_tier", b"item_id", b"call_id", b"event_id", b"obfuscation", b"token",
        b"embedding", b"encoding_format", b"instructions", b"description", b"user",
    }
)  # fmt: skip
"""Fields whose strings are no part of an answer's text, or say again what is in it."""
_REPEATS: Final = re.compile(rb'"type"\s*:\s*"response\.[a-z_.]*(?<!\.delta)"')
"""Events of a response that say again what its deltas said."""
_BESIDE: Final = (b":", b"event:", b"id:", b"retry:", BOM)
"""How an event without data begins."""
_ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
_ENDING: Final = re.compile(rb'"type"\s*:\s*"response\.(?:completed|incomplete|failed|cancelled)"')
_ITS_OWN: Final = 500
"""The status of a failure that came after the server had the prompt. Whoever is down, busy or behind a proxy
says 502, 503, 504, or nothing."""
_MOST_SAID: Final = 1_024
"""Bytes of an error. One that says more may quote an answer, as llama.cpp's "Failed to parse input" does."""
_MOST_TOKENS: Final = 10**9
"""No answer has as many: a count beyond is not believed."""


@final
class Meter:
    """Counts one answer. ``unless_told`` is what a request used of which nothing is known but what was asked;
    ``stream`` whether the answer comes in pieces; ``answers`` how many are asked for, to ``prompts``."""

    def __init__(self, unless_told: Usage, *, stream: bool, answers: int = 1, prompts: int = 1) -> None:
        self._unless_told = unless_told
        self._answers = answers
        self._prompts = prompts
        self._stream = stream
        self._told: Usage | None = None
        self._passed = self._said = self._pieces = 0
        self._failed = False
        self._error: Usage | None = None
        self._answered = False
        self._over = False

    @property
    def told(self) -> bool:
        """Whether the upstream said what it used."""
        return self._told is not None

    @property
    def over(self) -> bool:
        """Whether an event was the end of its stream: what comes after it is no part of the answer."""
        return self._over

    def event(self, found: Event) -> bool:
        """Looks at one event of a stream. Whether it holds the usage alone, and no part of the answer."""
        if found.data is None:
            if not found.raw.startswith(_BESIDE):
                self.rest(found.raw)  # a whole answer, or a part of one, with empty lines in it
            return False
        if found.data == DONE:
            self._over = True
            return False
        if _USAGE.search(found.data) is None and _ENDING.search(found.data) is None:
            return self._text(found.data)
        value = _object(found.data)
        kind = value.get("type") if value is not None else None
        if isinstance(kind, str) and kind in _ENDS:
            self._over = True
        elif isinstance(kind, str) and kind.startswith("response."):
            return self._text(found.data)  # a count so far is no count
        usage = usage_of(value) if value is not None else None
        if value is None or usage is None or (self._answers > 1 and value.get("choices")):
            return self._text(found.data)  # beside text of one of several answers, it counts that one
        alone = value.get("choices") == []
        self._tell(self._with_earlier(usage) if alone and self._counts_one(value) else usage)
        return alone

    def _text(self, data: bytes) -> bool:
        text = 0 if _REPEATS.search(data) else _text_bytes(data)
        self._said += text
        self._pieces += text > 0
        self._passed += text if self.told else max(1, text)
        return False

    def _tell(self, usage: Usage) -> None:
        """A count replaces what was counted here, unless it says that nothing was answered."""
        self._told = usage
        believed = usage.completion_tokens or self._unless_told.completion_tokens == 0
        self._passed = 0 if believed else self._said

    def rest(self, data: bytes) -> None:
        """Looks at what came after the last whole event: a whole answer, from who does not stream."""
        self._rest(data, _object(data))

    def _rest(self, data: bytes, value: Mapping[str, Any] | None) -> None:
        text = _text_bytes(data)
        self._said += text
        self._passed += text
        if value is not None and (usage := usage_of(value)) is not None:
            self._tell(usage)
            if self._counts_one(value):
                self._add_left_out(value, usage)

    def body(self, body: Body) -> None:
        """Looks at a whole answer."""
        self._answered = True
        self._rest(body.data, body.value if isinstance(body.value, dict) else None)

    def _counts_one(self, value: Mapping[str, Any]) -> bool:
        """Whether a count is that of one answer among several, as llama.cpp's is, which sends ``timings``."""
        return self._answers > 1 and "timings" in value

    def _with_earlier(self, usage: Usage) -> Usage:
        """In a stream every answer ends with a count of its own."""
        if self._told is None:
            return usage
        prompts = (self._told.prompt_tokens, usage.prompt_tokens)
        return Usage(
            sum(prompts) if self._prompts > 1 else max(prompts),
            self._told.completion_tokens + usage.completion_tokens,
        )

    def _add_left_out(self, value: Mapping[str, Any], usage: Usage) -> None:
        """A whole answer has the count of the first: of the others, the most that they can have."""
        if self._prompts > 1:
            self._told = Usage(self._unless_told.prompt_tokens, usage.completion_tokens)
        most_each = self._unless_told.completion_tokens // self._answers
        choices = value.get("choices")
        for each in choices[1:] if isinstance(choices, list) else ():
            self._passed += min(most_each, _text_bytes(json.dumps(each).encode()))

    def error(self, status: int, body: Body, held_tokens: int, *, shown: bool) -> None:
        """Looks at an answer that is an error; ``shown`` whether a caller gets its words. What it says it
        used is believed. Else it costs nothing; but a server's own failure uses up what was held for the
        prompt (``held_tokens``), so that nobody has it work without end by having it fail; and what is so
        long that it may be an answer is paid as one."""
        told = usage_of(body.value) if isinstance(body.value, dict) else None
        if told is not None:
            self._error = told
        elif status == _ITS_OWN and shown and len(body.data) > _MOST_SAID:
            self._error = Usage(held_tokens, min(len(body.data), self._unless_told.completion_tokens))
        elif status == _ITS_OWN:
            self._error = Usage(held_tokens, 0, unpaid=True)
        else:
            self.failed()

    def failed(self) -> None:
        """The upstream gave no answer, and nothing is to be paid. One that gave one is paid, whatever it was
        good for."""
        self._failed = not self._answered

    def usage(self) -> Usage:
        """What to settle. An answer that nobody waited for, and of which nothing is known, used what it was
        allowed; a stream used what passed."""
        if self._error is not None:
            return self._error
        if self._failed:
            return Usage(0, 0)
        if self._told is not None:
            completion = self._told.completion_tokens + self._passed
            least = self._pieces if self._answers > 1 else 0  # llama.cpp may count one answer of several
            return Usage(self._told.prompt_tokens, max(completion, least))
        if self._stream or self._passed:
            return Usage(self._unless_told.prompt_tokens, self._passed)
        return self._unless_told


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text_bytes(data: bytes) -> int:
    """Of the fields that answers have; where these say nothing, of all others that may be text."""
    return sum(map(len, _TEXT.findall(data))) or _other_bytes(data)


def _other_bytes(data: bytes) -> int:
    found, name = 0, b""
    for text, colon in _STRING.findall(data):
        if colon:
            name = text
        elif name not in _NO_TEXT:
            found += len(text)
    return found


def usage_of(value: Mapping[str, Any]) -> Usage | None:
    """The tokens that a chat completion, a completion, an embedding or a response says it used; None where it
    says nothing, or that it used nothing, which no answer does."""
    inner = value.get("response")
    found = (inner if isinstance(inner, dict) else value).get("usage")
    if not isinstance(found, dict):
        return None
    prompt = _count(found, "prompt_tokens", "input_tokens")
    completion = _count(found, "completion_tokens", "output_tokens")
    return None if prompt is None or not (prompt or completion) else Usage(prompt, completion or 0)


def _count(found: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
            return value
    return None
