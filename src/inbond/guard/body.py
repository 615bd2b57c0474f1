"""A whole answer as bytes and as what they decode to, so that it is decoded once for all who look at it: who
counts it, who hides what it reasons, who signs it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

from inbond import strict_json


@final
@dataclass(frozen=True)
class Body:
    """``read``: the bytes are JSON, and decode to ``value``; ``once``: in one way only, so that
    no field stands there twice, of which a client might read the other one."""

    data: bytes
    value: Any = None
    read: bool = False
    once: bool = False

    @classmethod
    def of(cls, data: bytes) -> Body:
        """Decodes it, if it can be."""
        try:
            value, once = decoded(data)
        except (ValueError, RecursionError):
            return cls(data)
        return cls(data, value, read=True, once=once)


def decoded(data: bytes | str) -> tuple[Any, bool]:
    """The value, and whether it can be read in one way only. Raises ValueError, RecursionError."""
    try:
        return strict_json.parse(data), True
    except (strict_json.RepeatedNameError, strict_json.NoNumberError):
        return json.loads(data), False  # an upstream's: to be written anew, not to be refused
