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
from inbond.roundtable.declining import declines
from inbond.roundtable.likeness import AROUND
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
_THOUGHT_BEFORE: Final = re.compile(r"\A(?:(?!<think).)*?</think(?:ing)?>[ \t]*\n", re.DOTALL)
"""Of a host whose own prompt begins the thought."""
_OTHER_THOUGHTS: Final = ("thought", "thoughts", "reasoning", "reflection", "scratchpad")
_LINE: Final = re.compile(r"[\s*_#-]{0,8}VOTE[\s*_]{0,4}[:：](.{1,400})", re.IGNORECASE)
_LISTED: Final = re.compile(r"(?:\d{1,2}[.)]|[a-z][.)]|[-+*•・])\s+(?=\W{0,4}VOTE)", re.IGNORECASE)
"""Before a line of a list, of which none is the vote where they differ."""
_CLAIM: Final = re.compile(r"[\s*_#-]{0,8}CLAIM[\s*_]{0,4}\d?[\s*_]{0,4}[:：](.+)", re.IGNORECASE)
_MOST_AROUND: Final = 6
"""Characters on each side of a vote that are taken off; with more there is none."""
_MOST_STARTS: Final = 40
_MOST_VOTES: Final = 8
"""Different lines with a vote in one reply; with more they say more than one."""
_FENCE: Final = re.compile(r"```\w*")


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
    beginning. Total: whatever the text, it says what it is.

    What counts is how a reply ends: as one JSON object, with such an object on lines of its own, or with the
    line that was asked for. Before the end stand drafts, and quotes of what others wrote. A vote beside words
    that decline to give one is none: a form may leave a model no other way to decline."""
    if characters > MOST_READ:
        said = f"the reply has {characters:,} characters; no more than {MOST_READ:,} are looked at"
        return Read("invalid", None, (said,))
    text = _THOUGHT.sub("", text).strip()
    found, before = _whole(text), ""
    if found is None:
        text = _THOUGHT_BEFORE.sub("", text).strip()
    path: str = "json_object" if rung == "line" else rung
    if found is None and (finish == "length" or _is_thinking(text)):
        return _nothing("" if _is_thinking(text) else text, finish)
    if found is None:
        found, path, before, torn = _at_the_end(rung, text, reader)
        if torn:
            return Read("invalid", None, ("the reply says two different votes; say one, once",))
    if found is None:
        return _nothing(text, finish)
    value, problems, notes = reader(found)
    words = (before, str(found.get("reasoning", "")))
    if value is None:
        cut = (_CUT,) if finish == "length" else ()
        declined = is_refusal(text) or is_refusal(words[1]) or any(map(declines, words))
        return Read("invalid", None, problems + cut, notes, refused=declined)
    abstains = "vote" in value and value["vote"] is None
    if not abstains and any(map(declines, words)):
        return Read("invalid", None, (_DECLINED,), notes, refused=True)
    return Read(path, value, (), notes)


_DECLINED: Final = "it declined to answer"
_CUT: Final = "the reply was cut off at its greatest length; be shorter"


def _nothing(text: str, finish: str) -> Read:
    if is_refusal(text):
        return Read("invalid", None, (_DECLINED,), refused=True)
    if finish == "length":
        return Read("invalid", None, (_CUT,))
    return Read("invalid", None, ("the reply is not in the form that was asked for",), bare=True)


def _is_thinking(text: str) -> bool:
    """Whether a thought was begun and not ended: what stands there is not said yet."""
    begun = max(text.rfind("<think>"), text.rfind("<thinking>"))
    others = (text.rfind(f"<{name}>") > text.rfind(f"</{name}>") for name in _OTHER_THOUGHTS)
    return begun > text.rfind("</think") or any(others)


def _whole(text: str) -> dict[str, Any] | None:
    """The reply as one JSON object, a code fence around it taken off."""
    fenced = re.fullmatch(r"```\w*\s*(.*?)\s*```", text, re.DOTALL)
    try:
        value = strict_json.parse(fenced[1] if fenced else text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _at_the_end(rung: Rung, text: str, reader: Reader) -> tuple[dict[str, Any] | None, str, str, bool]:
    """What a reply ends with, which path that is, what stands before it, and whether another vote does. On
    the last rung, where a line is asked for, an object within a line is a quote, and no vote."""
    line, standing, lines = _from_lines(text, reader), _objects(text), _line_votes(text)
    if len(lines) > _MOST_VOTES:
        return None, "invalid", "", True
    said = [{"vote": _settled(each, reader)} for each in lines]
    if line is not None:
        said += [each.value for each in standing or () if rung != "line" or each.alone]
        found, path, before = line, "line", line["reasoning"]
    elif standing and standing[-1].alone and standing[-1].last:
        said += [each.value for each in standing[:-1]]
        found, path, before = standing[-1].value, "json_object", text[: standing[-1].start]
    else:
        return None, "invalid", "", False
    votes = {_vote_in(each, reader) for each in (*said, found) if "vote" in each}
    return found, path, before, len(votes) > 1


def _vote_in(found: Mapping[str, Any], reader: Reader) -> str:
    """Equal for two objects with the same vote, whether by id or by label."""
    value = reader({"reasoning": "-", "vote": found["vote"]})[0]
    return f"= {value.get('vote')}" if value is not None else f"? {found['vote']!r}"


@final
@dataclass(frozen=True)
class _Standing:
    """A JSON object in prose: where it begins, whether it is ``alone`` on its lines, or within a fence, and
    ``last`` in the reply."""

    value: dict[str, Any]
    start: int
    alone: bool
    last: bool


def _objects(text: str) -> list[_Standing] | None:
    """All JSON objects in prose, in their order; None where that cannot be told: a brace that is not closed,
    within which any of them may stand, or too many. One with a name twice says two things, and is passed
    over as a whole."""
    found: list[_Standing] = []
    decoder = json.JSONDecoder()
    done, place, depth = 0, text.find("{"), 0
    for _ in range(_MOST_STARTS):
        if place < 0:
            return found if _depth(depth, text[done:]) == 0 else None
        try:
            end = decoder.raw_decode(text, place)[1]
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        depth = _depth(depth, text[done:place])
        if depth == 0:
            found += _standing(text, place, end)
        done, place = end, text.find("{", end)
    return None


def _depth(depth: int, text: str) -> int:
    """How many braces are open after a text, so many being open before it."""
    for brace in re.findall(r"[{}]", text):
        depth = depth + 1 if brace == "{" else max(0, depth - 1)
    return depth


def _standing(text: str, start: int, end: int) -> list[_Standing]:
    try:
        value = strict_json.parse(text[start:end])
    except ValueError:
        return []
    before, after = text[:start].rpartition("\n")[2], text[end:]
    alone = not _FENCE.sub("", before).strip() and not _FENCE.sub("", after.partition("\n")[0]).strip()
    return [_Standing(value, start, alone, not _FENCE.sub("", after).strip())]


def _line_votes(text: str) -> list[str]:
    """What all lines that say a vote say, those of a list too, each once."""
    lines = (_LINE.fullmatch(_LISTED.sub("", line.strip(), count=1)) for line in text.splitlines())
    return list(dict.fromkeys(line[1].strip() for line in lines if line))


def _from_lines(text: str, reader: Reader) -> dict[str, Any] | None:
    """``VOTE: id`` on the last line, ``CLAIM: text`` before it where there are any."""
    lines = [line for line in text.splitlines() if line.strip()]
    vote = _LINE.fullmatch(lines[-1].strip()) if lines else None
    if vote is None:
        return None
    claims = [found[1].strip() for line in lines if (found := _CLAIM.match(line))]
    rest = [line for line in lines[:-1] if not _CLAIM.match(line)]
    reasoning = "\n".join(rest) or " ".join(claims)
    return {"reasoning": reasoning, "claims": claims, "vote": _settled(vote[1].strip(), reader)}


def _settled(said: str, reader: Reader) -> str:
    """What a line says without what stands around it, so far as that leaves one vote: first as it is, since
    what stands around may belong to a label (``Yahoo!``). As it is, too, where it may mean two."""
    if reader({"reasoning": "-", "vote": said})[0] is not None:
        return said
    found = {_vote_in({"vote": each}, reader): each for each in _peeled(said)}
    votes = [each for vote, each in found.items() if vote.startswith("= ")]
    return votes[0] if len(votes) == 1 else said


def _peeled(said: str) -> list[str]:
    """The text with any number of the characters around it taken off, on each side."""
    left, right = len(said) - len(said.lstrip(AROUND)), len(said) - len(said.rstrip(AROUND))
    if max(left, right) > _MOST_AROUND or left == len(said):
        return []
    ends = range(len(said) - right, len(said) + 1)
    return [said[start:end].strip() for start in range(left + 1) for end in ends]


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
