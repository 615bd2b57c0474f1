"""What the page of a roundtable shows, as frozen values, from a session. Pure: no clock, no randomness.

Every text that a person or a model wrote is a ``Foreign``, untrusted; whoever draws escapes. All other texts
are ours, in English or Japanese by the question's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from inbond.report.roundtable_words import Words, language_for
from inbond.report.text import language_of

_SHARED_SCRIPTS: Final = {
    "zh": ("ja", "zh", "ko"),
    "ar": ("ar", "fa", "ur", "ps", "ku", "ug"),
    "hi": ("hi", "mr", "ne"),
}


@final
@dataclass(frozen=True)
class Foreign:
    """A text of others, with its language as a BCP 47 tag, "" where it is not known."""

    text: str
    lang: str = ""


@final
@dataclass(frozen=True)
class Choice:
    """An option: ``slot`` numbers it from 1 and chooses its colour; 0 is no vote."""

    label: Foreign
    slot: int


@final
@dataclass(frozen=True)
class Row:
    """An option in the count."""

    choice: Choice
    first: int
    final: int
    wins: bool


@final
@dataclass(frozen=True)
class Quoted:
    """A claim, who made it, and where it stands in the page: ``anchor``, "" where there is no such claim."""

    seat: str
    mark: str
    anchor: str
    claim: Foreign


@final
@dataclass(frozen=True)
class Said:
    """A sentence and what it cites."""

    text: Foreign
    cites: tuple[Quoted, ...]


@final
@dataclass(frozen=True)
class Lane:
    """A seat between the rounds: its votes, and its places from 0 in the first column and in the second.
    ``changed`` is what it said itself; a vote is ``lost`` where it failed after it."""

    name: str
    mark: str
    anchor: str
    first: Choice
    second: Choice
    first_place: int
    second_place: int
    changed: bool
    lost: bool


@final
@dataclass(frozen=True)
class Band:
    """One option in a column of the lanes, and the seats that stand there, in order."""

    choice: Choice
    lanes: tuple[Lane, ...]


@final
@dataclass(frozen=True)
class Point:
    """A turning point. ``lead`` says what it did to the lead of the side that won; "" for nothing."""

    name: str
    mark: str
    anchor: str
    was: Choice
    now: Choice
    cited: Quoted | None
    quote: Foreign
    bandwagon: bool
    lead: str


@final
@dataclass(frozen=True)
class Heard:
    """What a seat says of another's claim."""

    claim: Quoted
    quote: Foreign
    effect: str


@final
@dataclass(frozen=True)
class Held:
    """One round of a seat. ``claims`` are (mark, anchor, text); ``standing`` the marks of those that are
    words of its reasoning and are printed there, ``repeated`` those of what it had claimed before;
    ``anchors`` of both."""

    round: int
    choice: Choice
    vote: Foreign
    confidence: str
    percent: int | None
    why: str
    detail: Foreign
    path: str
    order: tuple[Foreign, ...]
    claims: tuple[tuple[str, str, Foreign], ...]
    standing: tuple[str, ...]
    repeated: tuple[str, ...]
    anchors: tuple[str, ...]
    reasoning: Foreign
    would_change: Foreign
    abstain_reason: Foreign
    rebuttal: Foreign
    heard: tuple[Heard, ...]


@final
@dataclass(frozen=True)
class Chair:
    """A seat's card."""

    name: str
    mark: str
    anchor: str
    status: str
    word: str
    model: str
    size: str
    persona: Foreign
    rounds: tuple[Held, ...]
    spent: str

    @property
    def failed(self) -> bool:
        """Whether it gave no vote that counts, and did not say so itself."""
        return self.status not in ("voted", "abstained")


@final
@dataclass(frozen=True)
class View:
    """All that the page shows. ``lang`` is that of our own words. ``words`` are they."""

    id: str
    version: str
    lang: str
    words: Words
    question: Foreign
    opened: str
    answered: bool
    outcome: str
    answer: Foreign
    answer_note: str
    ahead: str
    count: str
    seated: int
    rows: tuple[Row, ...]
    lanes: tuple[Lane, ...]
    before: tuple[Band, ...]
    after: tuple[Band, ...]
    lanes_said: str
    lost: str
    summary: tuple[Said, ...]
    summary_note: str
    summary_why: Foreign
    strongest: tuple[tuple[Choice, Quoted], ...]
    dissent: tuple[Said, ...]
    points: tuple[Point, ...]
    ill_posed: tuple[tuple[str, Foreign], ...]
    chairs: tuple[Chair, ...]
    method: tuple[tuple[str, str], ...]
    digest: str


def tongue(text: str, language: str) -> str:
    """The language to set ``text`` in, in a session whose question is in ``language``: as its script says,
    and of those that share the script the question's own."""
    found = language_of(text)
    base = language.partition("-")[0].lower()
    if not found:
        return language if base and not _has_own_script(base) else ""
    return language if base in _SHARED_SCRIPTS.get(found, ()) else found


def _has_own_script(base: str) -> bool:
    return base in (
        "ja",
        "zh",
        "ko",
        "ar",
        "fa",
        "ur",
        "he",
        "th",
        "hi",
        "el",
        "hy",
        "ka",
        "ta",
        "bn",
        "ru",
        "uk",
        "bg",
    )


def page_language(question_language: str, text: str) -> str:
    """Of our own words; a question whose language was not said is judged by its script."""
    return language_for(question_language or language_of(text))
