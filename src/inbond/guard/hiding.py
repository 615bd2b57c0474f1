"""What stands in the place of hidden reasoning, and what is put back of it. Pure.

A model's policy says which: ``strip`` nothing, ``summarise`` one sentence with a rounded size, made without
another model and without a word of the text, ``seal`` an envelope that the client can hand back and not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond.guard.tags import Scanner, Tags

Form = Literal["text", "inline", "parts", "details", "item"]
"""Where reasoning stood: in a field of text, between tags (begin, text, end), in parts of a message's
content, in ``reasoning_details``, or in an item of a response (its fields)."""

TEXT_FIELDS: Final = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
DETAILS: Final = "reasoning_details"
HIDDEN_PARTS: Final = frozenset({"thinking", "reasoning", "redacted_thinking", "reasoning_text"})
ITEM_FIELDS: Final = ("content", "summary", "encrypted_content")
EMPTIED: Final = "inbond_hidden"
"""Marks an item of a response that was emptied, so that it does not go on empty when it is handed back."""

_SUMMARY: Final = "Reasoned for about {:,} tokens; the text is not shown.\n"
SUMMARIES: Final = re.compile(r"(?:Reasoned for about [0-9,]+ tokens; the text is not shown\.\s*)+")
_BYTES_A_TOKEN: Final = 4
_SAYING: Final = frozenset({"text", "content", "summary", "thinking", "reasoning", "data"})
"""Where a detail, a part or an item says something."""


@final
@dataclass(frozen=True)
class Begun:
    """How an answer begins. ``inside``: with reasoning, as when the model's template opened the first tag;
    ``opened`` are the tags, in lower case, that the request left open before it, and ``held`` what may be the
    beginning of one."""

    inside: bool = False
    opened: tuple[str, ...] = ()
    held: str = ""

    @property
    def shown(self) -> bool:
        return not (self.inside or self.opened or self.held)


@final
@dataclass(frozen=True)
class Hiding:
    """How one answer's reasoning is hidden. ``begun`` tells for each prompt how its answers begin, of which
    there are ``each``; ``seal`` makes an envelope. ``plain``: the answers are texts, as completions are, and
    no messages."""

    policy: Literal["strip", "summarise", "seal"]
    tags: Tags
    begun: tuple[Begun, ...]
    each: int
    seal: Callable[[str], str]
    plain: bool

    @property
    def begins_shown(self) -> bool:
        """Whether every answer begins outside of all tags."""
        return all(one.shown for one in self.begun)

    def scanner(self, *, parsed: bool, inside: bool = False, index: int = 0) -> Scanner:
        """For a text of the answer. ``parsed``: the server already gave reasoning in a field of its own, so
        that the text has none to begin with. ``index`` is the number of its choice; of one that was not asked
        for nobody knows how it begins, so that it is taken as one that begins inside if any does."""
        if parsed:
            return Scanner(self.tags)
        number = index // self.each
        known = 0 <= number < len(self.begun)
        begun = self.begun[number] if known else max(self.begun, key=_hidden_first)
        found = Scanner(self.tags, inside=begun.inside or inside, opened=begun.opened)
        if begun.held:
            found.prime(begun.held)
        return found

    def cover(self, form: Form, value: Any) -> str | None:
        """What is shown instead: None for nothing."""
        match self.policy:
            case "strip":
                return None
            case "summarise":
                return summary(value[1] if form == "inline" else value)
            case "seal":
                return self.seal(json.dumps([form, value], ensure_ascii=False, separators=(",", ":")))


def _hidden_first(begun: Begun) -> tuple[bool, str]:
    return begun.inside or bool(begun.opened), begun.held


def summary(value: Any) -> str:
    """A sentence about reasoning that is as long for much as for little: only its size goes in, in tokens of
    four bytes, rounded up to a power of two."""
    tokens = -(-_size(value) // _BYTES_A_TOKEN)
    return _SUMMARY.format(1 << max(0, tokens - 1).bit_length())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(_size(each) for name, each in value.items() if name in _SAYING)
    return sum(_size(each) for each in value) if isinstance(value, (list, tuple)) else 0


def payload(text: str) -> tuple[Form, Any] | None:
    """What ``cover`` sealed; None for anything else."""
    try:
        form, value = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
    return (form, value) if form in ("text", "inline", "parts", "details", "item") else None


def merged_details(found: list[Any]) -> list[Any]:
    """``reasoning_details`` as they were before a stream cut them: neighbours of one type and index are one,
    texts joined, anything else as the last one has it."""
    merged: list[Any] = []
    for each in found:
        last = merged[-1] if merged else None
        if not (isinstance(each, dict) and isinstance(last, dict) and _one(last, each)):
            merged.append(dict(each) if isinstance(each, dict) else each)
            continue
        for name, value in each.items():
            if name in ("text", "summary", "data") and isinstance(value, str):
                last[name] = str(last.get(name) or "") + value
            elif value is not None:
                last[name] = value
    return merged


def _one(last: Mapping[str, Any], each: Mapping[str, Any]) -> bool:
    index = each.get("index")
    return index is not None and (last.get("type"), last.get("index")) == (each.get("type"), index)
