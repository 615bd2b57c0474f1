"""How a ballot is got out of a model: the rungs, what a reply on one of them says, and what comes next. Pure.

A host that holds a reply to a JSON schema is the first rung; then a tool that it must call, any JSON object,
and at last a fixed line at the end. A host that cannot, or does what it likes, is asked on the next one. A
reply that says no valid vote is sent back with what is wrong, twice at most. Then it is invalid: there is no
vote that a seat did not give. How a reply was read in the end (``path``) is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, final

from inbond import strict_json
from inbond.engine.refusals import is_refusal
from inbond.teachers.protocols import Form, FormKind

Rung = Literal["json_schema", "tool", "json_object", "line"]
RUNGS: Final[tuple[Rung, ...]] = ("json_schema", "tool", "json_object", "line")
_KINDS: Final[Mapping[str, FormKind]] = {
    "json_schema": "json-schema",
    "tool": "tool",
    "json_object": "json-object",
}
MOST_REASKS: Final = 2
MOST_READ: Final = 65_536
"""Characters of a reply; a longer one is not looked through."""
_THOUGHT: Final = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_LINE: Final = re.compile(r"[\s*_#>-]{0,8}VOTE[\s*_]{0,4}[:：](.{1,400})", re.IGNORECASE)
_CLAIM: Final = re.compile(r"[\s*_#>-]{0,8}CLAIM[\s*_]{0,4}\d?[\s*_]{0,4}[:：](.+)", re.IGNORECASE)
_AROUND: Final = " \t*_`\"'.。!！“”「」[]()<>"
"""What may stand around a vote, besides the vote."""
_MOST_STARTS: Final = 40


@final
@dataclass(frozen=True)
class Read:
    """What a reply says. ``path`` is the rung that it could be read by, "invalid" for none; ``value`` what it
    holds, as JSON, None where ``problems`` say why; ``notes`` what was left out. ``bare`` is a reply without
    any of the form that was asked for, ``refused`` one that declines to answer."""

    path: str
    value: Mapping[str, Any] | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bare: bool = False
    refused: bool = False


Reader = Callable[[Any], tuple[Mapping[str, Any] | None, tuple[str, ...], tuple[str, ...]]]
"""From a JSON value to (what it says, problems, notes)."""


def form_of(rung: Rung, name: str, schema: Mapping[str, Any]) -> Form | None:
    """What the host is asked to hold the reply to on this rung."""
    return None if rung == "line" else Form.of(_KINDS[rung], name, schema)


def below(rung: Rung) -> Rung | None:
    """The next rung; None below the last."""
    place = RUNGS.index(rung) + 1
    return RUNGS[place] if place < len(RUNGS) else None


def read(rung: Rung, text: str, finish: str, characters: int, reader: Reader) -> Read:
    """Reads a reply to a question on this rung; ``characters`` is how long it was, should ``text`` be but its
    beginning. Total: whatever the text, it says what it is."""
    if characters > MOST_READ:
        said = f"the reply has {characters:,} characters; no more than {MOST_READ:,} are looked at"
        return Read("invalid", None, (said,))
    text = _THOUGHT.sub("", text).strip()
    found = _whole(text)
    path: str = "json_object" if rung == "line" else rung
    if found is None:
        found, path = _within(text), "json_object"
    if found is None:
        found, path = _from_lines(text), "line"
    if found is None:
        return _nothing(text, finish)
    value, problems, notes = reader(found)
    if value is None:
        declined = is_refusal(text) or is_refusal(str(found.get("reasoning", "")))
        cut = ("the reply was cut off at its greatest length; be shorter",) if finish == "length" else ()
        return Read("invalid", None, problems + cut, notes, refused=declined)
    return Read(path, value, (), notes)


def _nothing(text: str, finish: str) -> Read:
    if is_refusal(text):
        return Read("invalid", None, ("it declined to answer",), refused=True)
    if finish == "length":
        return Read("invalid", None, ("the reply was cut off at its greatest length; be shorter",))
    return Read("invalid", None, ("the reply is not in the form that was asked for",), bare=True)


def _whole(text: str) -> dict[str, Any] | None:
    """The reply as one JSON object, a code fence around it taken off."""
    fenced = re.fullmatch(r"```\w*\s*(.*?)\s*```", text, re.DOTALL)
    try:
        value = strict_json.parse(fenced[1] if fenced else text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _within(text: str) -> dict[str, Any] | None:
    """The last JSON object with a vote that stands in prose. Nothing is guessed: two that differ in their
    vote are none."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    place = text.find("{")
    for _ in range(_MOST_STARTS):
        if place < 0:
            break
        try:
            end = decoder.raw_decode(text, place)[1]
            value = strict_json.parse(text[place:end])
        except (ValueError, RecursionError):
            end = place + 1
        else:
            found += [value] if isinstance(value, dict) else []
        place = text.find("{", end)
    if not found or any(each.get("vote") != found[-1].get("vote") for each in found):
        return None
    return found[-1]


def _from_lines(text: str) -> dict[str, Any] | None:
    """``VOTE: id`` on the last line, ``CLAIM: text`` before it where there are any."""
    lines = [line for line in text.splitlines() if line.strip()]
    vote = _LINE.fullmatch(lines[-1].strip()) if lines else None
    if vote is None:
        return None
    claims = [found[1].strip() for line in lines if (found := _CLAIM.match(line))]
    rest = [line for line in lines[:-1] if not _CLAIM.match(line)]
    reasoning = "\n".join(rest) or " ".join(claims)
    return {"reasoning": reasoning, "claims": claims, "vote": vote[1].strip(_AROUND)}


# What comes next -------------------------------------------------------------------------------------

_CANNOT: Final = ("rejected",)
_PASSING: Final = ("rate-limited", "unreachable", "truncated-stream", "malformed", "empty")
MOST_RETRIES: Final = 2


def wait_s(retries: int, asked_for_s: float | None) -> float:
    """Seconds before a call that failed is made again: as the host asks, else 1, 2, ... without chance, so
    that a record tells what was done."""
    return asked_for_s if asked_for_s is not None else float(2**retries)


def can_pass(reason: str, *, retryable: bool) -> bool:
    """Whether asking again may help: where the teacher says so, and after an answer without text, since each
    attempt has a seed of its own."""
    return reason in _PASSING and (retryable or reason == "empty")


def cannot_form(reason: str) -> bool:
    """Whether the host says that it cannot do what was asked."""
    return reason in _CANNOT
