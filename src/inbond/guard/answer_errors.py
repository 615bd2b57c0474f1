"""What a caller is told of an upstream's error where reasoning is hidden: our own words. Pure.

Servers quote raw output in their errors ("Failed to parse input at pos 12: <think>..."), and prompts. So
nothing of the original goes on but its status, and which of a few well-known things was the matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from inbond.guard.refusals import Refusal

_LOOKED_AT: Final = 65_536
_CONTEXT: Final = re.compile(
    rb"context[_ ]?(?:length|size|window)|maximum context|too many tokens|max_model_len", re.IGNORECASE
)
_FILTER: Final = re.compile(rb"content[_ ]?(?:filter|policy)", re.IGNORECASE)
_BUSY: Final = re.compile(rb"rate[_ ]?limit|overloaded", re.IGNORECASE)
_LONG: Final = Refusal(400, "context_length_exceeded", "The request is longer than the model's context.")
_REFUSED: Final = Refusal(400, "upstream_refused", "The model server refused the request.")
_FILTERED: Final = Refusal(400, "content_filter", "The model server's filter stopped the answer.")
_FULL: Final = Refusal(429, "rate_limit_exceeded", "The model server is busy. Try again.", "rate_limit_error")
_FAILED: Final = Refusal(500, "upstream_error", "The model server failed.", "server_error")


def told(status: int, body: bytes, retry_after: str = "") -> Refusal:
    """Of an answer whose ``status`` is 400 or more; ``retry_after`` is its header, in seconds."""
    headers = {"retry-after": retry_after} if retry_after.isdecimal() else {}
    return replace(_which(status, body), status=status, headers=headers)


def ours(error: Any) -> dict[str, Any]:
    """The error that stands within an answer or a stream."""
    if isinstance(error, Mapping) and isinstance(code := error.get("code"), int) and 400 <= code < 600:
        status = code
    else:
        status = 500
    data = json.dumps(error).encode()
    found = _which(status, data)
    return {"message": found.message, "type": found.kind, "param": None, "code": found.code}


def _which(status: int, data: bytes) -> Refusal:
    head = data[:_LOOKED_AT]
    if _CONTEXT.search(head):
        return _LONG
    if _FILTER.search(head):
        return _FILTERED
    if status == 429 or _BUSY.search(head):
        return _FULL
    return _REFUSED if status < 500 else _FAILED
