"""What an answer used, out of its bytes as they pass. Pure.

An upstream's own count is believed where it gives one. Else what passed is counted, and never too little: a
piece of a stream is at least one token, and text has at most a token for each of its bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, final

from inbond.guard.budget import Usage
from inbond.guard.sse import DONE, Event


@final
class Meter:
    """Counts one answer. ``estimated`` is what was reserved for it."""

    def __init__(self, estimated: Usage) -> None:
        self._estimated = estimated
        self._told: Usage | None = None
        self._pieces = 0

    @property
    def told(self) -> bool:
        """Whether the upstream said what it used."""
        return self._told is not None

    def event(self, found: Event) -> bool:
        """Looks at one event of a stream. Whether it holds the usage alone, and no part of the answer."""
        if found.data is None or found.data == DONE:
            return False
        if b'"usage"' not in found.data:
            self._pieces += 1
            return False
        try:
            value = json.loads(found.data)
        except ValueError:
            return False
        if not isinstance(value, dict):
            return False
        self.body(value)
        alone = value.get("choices") == []
        self._pieces += not alone
        return alone and usage_of(value) is not None

    def body(self, value: Mapping[str, Any]) -> None:
        """Looks at a whole answer, or at an event that may end one."""
        found = usage_of(value)
        if found is not None:
            self._told = found

    def usage(self, *, ended: bool) -> Usage:
        """What to settle. An answer that broke off, and of which nothing was told, used what passed."""
        if self._told is not None:
            return self._told
        if ended and not self._pieces:
            return self._estimated
        return Usage(self._estimated.prompt_tokens, self._pieces)


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
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None
