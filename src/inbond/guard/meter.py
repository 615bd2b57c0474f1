"""What an answer used, out of its bytes as they pass. Pure.

An upstream's own count is believed where it gives one. Else what passed is counted, and never too little: a
piece of a stream is at least one token, and text has at most a token for each of its bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, final

from inbond.guard.budget import Usage
from inbond.guard.sse import DONE, Event

_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')
_TEXT: Final = re.compile(
    rb'"(?:content|text|delta|arguments|refusal|reasoning|reasoning_content|summary)"\s*:\s*'
    rb'"((?:[^"\\]|\\.)*)"'
)
"""Text as JSON writes it: never shorter than its bytes."""
_REPEATS: Final = re.compile(rb'"type"\s*:\s*"response\.[a-z_.]*(?<!\.delta)"')
"""Events of a response that say again what its deltas said."""
_MOST_TOKENS: Final = 10**9
"""No answer has as many: a count beyond is not believed."""


@final
class Meter:
    """Counts one answer. ``estimated`` is what was reserved for it, ``stream`` whether it comes in pieces."""

    def __init__(self, estimated: Usage, *, stream: bool) -> None:
        self._estimated = estimated
        self._stream = stream
        self._told: Usage | None = None
        self._passed = 0
        self._failed = False

    @property
    def told(self) -> bool:
        """Whether the upstream said what it used."""
        return self._told is not None

    def event(self, found: Event) -> bool:
        """Looks at one event of a stream. Whether it holds the usage alone, and no part of the answer."""
        if found.data is None or found.data == DONE:
            return False
        if _USAGE.search(found.data) is None or (value := _object(found.data)) is None:
            text = 0 if _REPEATS.search(found.data) else _text_bytes(found.data)
            self._passed += text if self.told else max(1, text)
            return False
        usage = usage_of(value)
        if usage is None:
            self._passed += max(1, _text_bytes(found.data))
            return False
        self._told, self._passed = usage, 0
        return value.get("choices") == []

    def rest(self, data: bytes) -> None:
        """Looks at what came after the last whole event: a whole answer, from who does not stream."""
        value = _object(data)
        usage = usage_of(value) if value is not None else None
        if usage is not None:
            self._told, self._passed = usage, 0
        else:
            self._passed += _text_bytes(data)

    def body(self, data: bytes) -> None:
        """Looks at a whole answer."""
        value = _object(data)
        self._told = usage_of(value) if value is not None else None
        self._passed = 0 if self.told else _text_bytes(data)

    def failed(self) -> None:
        """The upstream gave no answer, and nothing is to be paid."""
        self._failed = True

    def usage(self) -> Usage:
        """What to settle. An answer that nobody waited for, and of which nothing is known, used what was held
        for it; a stream used what passed."""
        if self._failed:
            return Usage(0, 0)
        if self._told is not None:
            after = self._passed if self._stream else 0
            return Usage(self._told.prompt_tokens, self._told.completion_tokens + after)
        if self._stream or self._passed:
            return Usage(self._estimated.prompt_tokens, self._passed)
        return self._estimated


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _text_bytes(data: bytes) -> int:
    return sum(map(len, _TEXT.findall(data)))


def usage_of(value: Mapping[str, Any]) -> Usage | None:
    """The tokens that a chat completion, a completion, an embedding or a response says it used."""
    inner = value.get("response")
    found = (inner if isinstance(inner, dict) else value).get("usage")
    if not isinstance(found, dict):
        return None
    prompt = _count(found, "prompt_tokens", "input_tokens")
    completion = _count(found, "completion_tokens", "output_tokens")
    return None if prompt is None else Usage(prompt, completion or 0)


def _count(found: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = found.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS:
            return value
    return None
