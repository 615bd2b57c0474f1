"""Preferences out of a file: JSON lines as ``inbond roundtable judge`` writes them, or plainer ones.

A line has ``prompt`` (text) or ``messages``, ``chosen`` and ``rejected``; what else ``inbond.preference/1``
has (``margin``, ``soft``, ``principle``, ``principles``, ``votes``, lengths, ``id``, ``format``) may be
there, and nothing else. Nothing is skipped: what cannot be learnt from is refused with its line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from inbond.engine.interchange.lines import read_objects
from inbond.engine.preferences import Preferred
from inbond.errors import InputError
from inbond.types import prompt_from_json

FORMAT: Final = "inbond.preference/1"
_NEEDED: Final = ("prompt", "messages", "chosen", "rejected")
_KNOWN: Final = (
    *_NEEDED, "id", "margin", "soft", "principle", "principles", "votes", "length_chosen", "length_rejected",
    "format",
)  # fmt: skip


@final
@dataclass(frozen=True)
class Told:
    """One line: the pair, and what each judge said of it: ``votes`` by judge, then by principle. None where
    the file does not say who judged."""

    pair: Preferred
    votes: Mapping[str, Mapping[str, str]]


def read_preferences(path: Path) -> tuple[Told, ...]:
    """Reads a file. Raises InputError with the line: unknown or missing fields, another format, two answers
    that are one, a margin that is none."""
    found = tuple(_told(row, place) for place, row in read_objects(path))
    if not found:
        raise InputError(
            expected=f"at least one preference in {path}",
            found="none",
            fix='write lines such as {"prompt": "...", "chosen": "...", "rejected": "..."}, or let '
            "inbond roundtable judge write them",
        )
    return found


def _told(row: Mapping[str, Any], place: str) -> Told:
    unknown = sorted(set(row) - set(_KNOWN))
    if unknown:
        raise _wrong(place, f"only the fields {', '.join(_KNOWN)}", f"{unknown[0]!r:.80}", "")
    if row.get("format", FORMAT) != FORMAT:
        raise _wrong(place, f"the format {FORMAT}", f"{row['format']!r:.80}", "format")
    try:
        prompt = prompt_from_json(row)
    except InputError as error:
        raise InputError(expected=error.expected, found=f"{place}: {error.found}", fix=error.fix) from error
    chosen, rejected = (_answer(row, name, place) for name in ("chosen", "rejected"))
    if chosen.split() == rejected.split():
        raise _wrong(place, "two answers that differ", "the same text as chosen and as rejected", "")
    return Told(Preferred(prompt, chosen, rejected, _margin(row, place)), _votes(row, place))


def _answer(row: Mapping[str, Any], name: str, place: str) -> str:
    text = row.get(name)
    if isinstance(text, str) and text.strip():
        return text
    found = "nothing" if text is None else f"{text!r:.80}"
    raise _wrong(place, f"the text of an answer as {name!r}", found, name)


def _margin(row: Mapping[str, Any], place: str) -> float:
    value = row.get("margin", 1.0)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise _wrong(place, "a margin above 0, at most 1, for the chosen answer", f"{value!r:.80}", "margin")


def _votes(row: Mapping[str, Any], place: str) -> dict[str, dict[str, str]]:
    """Written by principle and judge; read by judge and principle."""
    value = row.get("votes", {})
    turned: dict[str, dict[str, str]] = {}
    try:
        for principle, by_judge in value.items():
            for judge, said in by_judge.items():
                turned.setdefault(judge, {})[principle] = str(said)
    except AttributeError:
        found = f"{value!r:.80}"
        raise _wrong(place, 'votes as {"principle": {"judge": "chosen"}}', found, "votes") from None
    return turned


def _wrong(place: str, expected: str, found: str, field: str) -> InputError:
    fix = f"correct the field {field!r}" if field else "correct the line, or leave it out"
    return InputError(expected=expected, found=f"{place}: {found}", fix=fix)
