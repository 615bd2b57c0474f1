"""A fence around what others wrote: JSON between two lines whose boundary does not occur in it. Pure.

Nothing within can end it, and nobody who wrote part of it could foresee the boundary. Whoever is asked is
told that it holds no instructions; that it obeys is not certain, so what comes back is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inbond.digest import of_value


def boundary_of(data: Mapping[str, Any], seed: int) -> str:
    """A boundary that does not occur in ``data``, and that nobody who wrote part of it could foresee."""
    text = json_lines(data)
    nonce = 0
    while (found := of_value([seed, nonce, text]).removeprefix("sha256:")[:16]) in text:
        nonce += 1
    return found


def json_lines(data: Mapping[str, Any]) -> str:
    """JSON of one line for each field, and for each item of a list: nothing in it can begin a line."""
    text = "{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in data.items()) + "\n}"
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")


def _lines(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return "[\n" + ",\n".join(json.dumps(each, ensure_ascii=False) for each in value) + "\n]"
