"""Critique and revision: what a model is asked to better its own answer, and how its reply is read. Pure.

After Bai et al., "Constitutional AI", arXiv:2212.08073, section 3.1: the answer is criticised by a principle
of a constitution, drawn for it, and written anew in the light of the critique, in one conversation. The
revision is preferred to the answer. What a pattern can check of a principle is checked, and not believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, final

from inbond.digest import of_value, to_raw
from inbond.types import Message, Prompt, Record, without_system

_CRITIQUE: Final = (
    "Criticise your answer by this principle: {principles} Say in one or two sentences where the answer "
    "falls short of it."
)
_REVISION: Final = (
    "Write your answer again, so that it keeps to the principle: {principles} Say nothing but the new answer."
)
_QUOTES: Final = ('""', "“”", "''", "«»", "「」")


_OPEN: Final = re.compile(r"\{(prompt|answer|critique)\}")


@final
@dataclass(frozen=True)
class Guide:
    """One principle for critique and revision. ``critique`` and ``revision`` are what is asked instead of
    the plain wording, where they are given; with ``{prompt}``, ``{answer}`` or ``{critique}`` in it, a
    revision is asked in a conversation of its own, which a small model follows better than a long one.
    ``pattern`` is a regular expression that an answer which keeps the principle matches."""

    id: str
    text: str
    critique: str = ""
    revision: str = ""
    pattern: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def drawn(guides: Sequence[Guide], count: int, record: Record, seed: int) -> tuple[Guide, ...]:
    """The principles that an answer is criticised by: ``count`` of them (all, where there are fewer), drawn
    by the seed and the record's id alone, in the order of the constitution."""
    assert guides, "a constitution has principles"
    order = sorted(range(len(guides)), key=lambda place: to_raw(of_value([seed, record.id, place])))
    return tuple(guides[place] for place in sorted(order[:count]))


def ask_critique(record: Record, guides: Sequence[Guide]) -> tuple[Message, ...]:
    """The conversation that ends with the request for a critique."""
    asked = _asked([guide.critique for guide in guides], [guide.text for guide in guides], _CRITIQUE)
    return (*_turns(record.prompt), Message("assistant", record.completion), Message("user", asked))


def ask_revision(record: Record, critique: str, guides: Sequence[Guide]) -> tuple[Message, ...]:
    """The same conversation, gone on to the request for a revision; or one of its own, see ``Guide``."""
    asked = _asked([guide.revision for guide in guides], [guide.text for guide in guides], _REVISION)
    if _OPEN.search(asked):
        known = {"prompt": without_system(record.prompt), "answer": record.completion, "critique": critique}
        return (Message("user", _OPEN.sub(lambda match: known[match[1]], asked)),)
    return (*ask_critique(record, guides), Message("assistant", critique), Message("user", asked))


def keep(guides: Sequence[Guide], text: str) -> bool:
    """Whether a text has what the principles' patterns look for; True where none has a pattern."""
    return all(re.search(guide.pattern, text) for guide in guides if guide.pattern)


def _asked(own: Sequence[str], texts: Sequence[str], plain: str) -> str:
    """What the principles ask for in their own words, and the plain wording for those without."""
    rest = " ".join(text for text, words in zip(texts, own, strict=True) if not words)
    return " ".join([*filter(None, own), *([plain.format(principles=rest)] if rest else [])])


def revision_of(text: str) -> str:
    """The revised answer in a reply: white space around it, and quotation marks around all of it, are not
    part of it."""
    found = text.strip()
    for marks in _QUOTES:
        inner = found[1:-1]
        if len(found) > 1 and found[0] == marks[0] and found[-1] == marks[1] and not set(marks) & set(inner):
            return inner.strip()
    return found


def _turns(prompt: Prompt) -> tuple[Message, ...]:
    return (Message("user", prompt),) if isinstance(prompt, str) else prompt
