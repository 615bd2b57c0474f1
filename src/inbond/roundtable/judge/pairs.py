"""The pairs that are judged, as JSON lines: a prompt and two answers to it, ``a`` and ``b``.

    {"prompt": "Why is the sky blue?", "a": "...", "b": "..."}
    {"id": "q7", "messages": [{"role": "user", "content": "..."}], "a": "...", "b": "...",
     "models": {"a": "gpt-4o", "b": "hf:Qwen/Qwen3-8B"}, "families": {"b": "qwen"}}

``models`` name who wrote the answers, so that no judge judges its own family; ``families`` says what families
they are of besides. Nothing is skipped: what cannot be judged is refused with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, final

from inbond.digest import Digest, of_value
from inbond.engine.interchange.lines import read_objects
from inbond.errors import InputError
from inbond.roundtable.judge.families import families_told
from inbond.types import Message, Prompt, prompt_from_json, prompt_to_json

Side = Literal["a", "b"]
SIDES: Final[tuple[Side, Side]] = ("a", "b")
_FIELDS: Final = ("id", "prompt", "messages", "a", "b", "models", "families")
_MOST_NAME: Final = 200
_RESERVED: Final = "canary-"


@final
@dataclass(frozen=True)
class Pair:
    """Two answers to one prompt. ``models`` and ``families`` hold what the file says of their writers, by
    side; what it does not say is not in them."""

    id: str
    prompt: Prompt
    a: str
    b: str
    models: Mapping[Side, str] = field(default_factory=dict)
    families: Mapping[Side, str] = field(default_factory=dict)

    def answer(self, side: Side) -> str:
        """What stands on that side."""
        return self.a if side == "a" else self.b

    def swapped(self, id_: str) -> Pair:
        """The same with its sides exchanged."""
        models, families = ({_OTHER[side]: name for side, name in each.items()} for each in self._writers)
        return Pair(id_, self.prompt, self.b, self.a, models, families)

    @property
    def _writers(self) -> tuple[Mapping[Side, str], Mapping[Side, str]]:
        return self.models, self.families

    @cached_property
    def digest(self) -> Digest:
        """Of what a judge sees; not of the id, nor of who wrote it."""
        return of_value({**prompt_to_json(self.prompt), "a": self.a, "b": self.b})

    @cached_property
    def gist(self) -> Digest:
        """The same of two pairs that differ by space at the ends of lines, or by a prompt that is written as
        a text here and as a conversation of one message there."""
        messages = (Message("user", self.prompt),) if isinstance(self.prompt, str) else self.prompt
        said = [[each.role, _trimmed(each.content)] for each in messages]
        return of_value([said, _trimmed(self.a), _trimmed(self.b)])


def _trimmed(text: str) -> str:
    """Without space at the ends of lines and empty lines around it; what stands before a line may be code."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()


_OTHER: Final[Mapping[Side, Side]] = {"a": "b", "b": "a"}


def other(side: Side) -> Side:
    """The other side."""
    return _OTHER[side]


def read_pairs(path: Path) -> tuple[Pair, ...]:
    """Reads a file of pairs. Raises InputError with the line: unknown or missing fields, an id that stands
    twice, the same pair twice (also with its sides exchanged, or other space at the ends of lines), two
    answers that are one, a family that is not known."""
    return collect(read_objects(path), str(path))


def collect(rows: Iterable[tuple[str, Mapping[str, Any]]], source: str) -> tuple[Pair, ...]:
    """Pairs from (place, object); ``place`` names the line in errors. Raises as ``read_pairs``."""
    pairs: list[Pair] = []
    ids: dict[str, str] = {}
    contents: dict[Digest, str] = {}
    for number, (place, row) in enumerate(rows, 1):
        pair = _pair(row, place, f"pair-{number}")
        if pair.id in ids:
            raise _wrong(place, "an id of its own for each pair", f"{pair.id!r}, as in {ids[pair.id]}", "id")
        mirror = pair.swapped(pair.id)
        for gist in (pair.gist, mirror.gist):
            if gist in contents:
                raise _wrong(place, "each pair once", f"the same two answers as in {contents[gist]}", "")
        ids[pair.id] = contents[pair.gist] = place
        pairs.append(pair)
    if not pairs:
        raise InputError(
            expected=f"at least one pair in {source}",
            found="none",
            fix='write lines such as {"prompt": "...", "a": "...", "b": "..."}',
        )
    return tuple(pairs)


def _pair(row: Mapping[str, Any], place: str, default_id: str) -> Pair:
    unknown = sorted(set(row) - set(_FIELDS))
    if unknown:
        raise _wrong(place, f"only the fields {', '.join(_FIELDS)}", f"{unknown[0]!r:.80}", "")
    id_ = row.get("id", default_id)
    if not isinstance(id_, str) or not 0 < len(id_) <= _MOST_NAME or not id_.isprintable():
        raise _wrong(place, f"an id of 1 to {_MOST_NAME} characters on one line", f"{id_!r:.80}", "id")
    if id_.startswith(_RESERVED):
        raise _wrong(place, f"an id that does not begin with {_RESERVED}", f"{id_!r:.80}", "id")
    try:
        prompt = prompt_from_json(row)
    except InputError as error:
        raise InputError(expected=error.expected, found=f"{place}: {error.found}", fix=error.fix) from error
    answers = {side: _answer(row, side, place) for side in SIDES}
    if _trimmed(answers["a"]) == _trimmed(answers["b"]):
        raise _wrong(place, "two answers that differ", "the same text as a and as b", "")
    models, families = (_by_side(row, name, place) for name in ("models", "families"))
    _check_families(families.values(), place)
    return Pair(id_, prompt, answers["a"], answers["b"], models, families)


def _check_families(families: Iterable[str], place: str) -> None:
    for text in families:
        try:
            families_told(text)
        except InputError as error:
            raise InputError(
                expected=error.expected, found=f"{place}: {error.found}", fix=error.fix
            ) from error


def _answer(row: Mapping[str, Any], side: Side, place: str) -> str:
    text = row.get(side)
    if isinstance(text, str) and text.strip():
        return text
    found = "nothing" if text is None else f"{text!r:.80}"
    raise _wrong(place, f"the text of an answer as {side!r}", found, side)


def _by_side(row: Mapping[str, Any], name: str, place: str) -> dict[Side, str]:
    value = row.get(name, {})
    if isinstance(value, Mapping) and all(
        side in SIDES and isinstance(text, str) and 0 < len(text.strip()) <= _MOST_NAME
        for side, text in value.items()
    ):
        return {side: value[side].strip() for side in SIDES if side in value}
    raise _wrong(place, f'{name} as {{"a": "...", "b": "..."}}', f"{value!r:.80}", name)


def _wrong(place: str, expected: str, found: str, field_: str) -> InputError:
    fix = f"correct the field {field_!r}" if field_ else "correct the line, or leave it out"
    return InputError(expected=expected, found=f"{place}: {found}", fix=fix)
