"""A model's reply as the JSON object that it was asked for. Pure.

Read with patience: a thought before it, a fence around it and words beside it are passed over, since whatever
the object says is checked afterwards. JSON itself is read strictly.
"""

from __future__ import annotations

import re
from typing import Any, Final

from inbond import strict_json

MOST: Final = 400_000
"""Characters of a reply; a longer one is not looked at."""
_THOUGHT: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)


def read(reply: str) -> dict[str, Any] | None:
    """The object; None where there is none."""
    if len(reply) > MOST:
        return None
    text = _THOUGHT.sub("", reply).strip()
    start, end = text.find("{"), text.rfind("}")
    for part in (text, text[start : end + 1]):
        try:
            value = strict_json.parse(part)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None
