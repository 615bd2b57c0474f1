"""Events of a stream that are like one that passed, but for their text. Pure.

Reading each event takes most of the time that a stream takes. Nearly all of them are the same bytes around
another text; where one was read and passed, and the next has the same around a text that can be no tag, it
passes too.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, final

from inbond.guard.tags import SHORT, Tags

_CONTENT: Final = re.compile(rb'"content"\s*:\s*"((?:[^"\\]|\\.)*)"')
_OTHER: Final = b"~"


@final
@dataclass(frozen=True)
class Likeness:
    """The bytes before and after the text of an event."""

    before: bytes
    after: bytes
    plain: re.Pattern[bytes]

    def fits(self, data: bytes) -> bool:
        """Whether these are the same with another text, without a first letter of a tag, escaped or not."""
        begin, end = len(self.before), len(data) - len(self.after)
        return (
            begin <= end
            and data.startswith(self.before)
            and data.endswith(self.after)
            and self.plain.fullmatch(data, begin, end) is not None
        )


def likeness(data: bytes, value: dict[str, Any], tags: Tags) -> Likeness | None:
    """Of an event of a chat that passed as it is; None where its text is not its only part that changes."""
    try:
        (choice,) = value["choices"]
        text = choice["delta"]["content"]
    except (KeyError, TypeError, ValueError):
        return None
    found = _CONTENT.search(data)
    if not text or found is None or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    before, after = data[: found.start(1)], data[found.end(1) :]
    other = json.loads(before + _OTHER + after)
    delta = other["choices"][0]["delta"]
    if delta["content"] != _OTHER.decode():
        return None  # what was found is another text
    delta["content"] = text
    return Likeness(before, after, _plain(tags)) if other == value else None


@lru_cache(maxsize=64)
def _plain(tags: Tags) -> re.Pattern[bytes]:
    letters = {begin[0].encode("utf-8", "surrogatepass")[:1] for begin, _ in tags.pairs}
    either = b"".join(re.escape(each) for each in sorted({*letters, *map(bytes.swapcase, letters)}))
    firsts = {begin[0] for begin, _ in tags.pairs}
    escapes = b"".join(
        re.escape(short[1:].encode()) for short, letter in SHORT.items() if letter not in firsts
    )
    escaped = rb"|\\[" + escapes + rb"]" if escapes else b""
    return re.compile(rb'(?:[^"\\\x00-\x1f' + either + rb"]" + escaped + rb")*+")
