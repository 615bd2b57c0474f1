"""What seats and the writer are told. Pure but for reading our own words (``prompts.toml``).

What others wrote, the question and the options too, is data: JSON in a fence whose boundary does not occur
in it, so that nothing within can end it; a seat is told that it holds no instructions. What seats are shown
of each other has labels for names, and no model's name; it is cut in length.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, final

from inbond.engine.fence import boundary_of, json_lines
from inbond.roundtable.anonymity import masked
from inbond.roundtable.ballots import Ballot
from inbond.roundtable.ladder import Rung
from inbond.roundtable.question import ABSTAIN, Option, Question
from inbond.types import Message

MOST_SHOWN: Final = 1_200
MOST_SHOWN_TOGETHER: Final = 12_000
MOST_ECHO: Final = 2_000
"""Characters of a seat's own reply that it is shown when it is asked again."""


@final
@dataclass(frozen=True)
class Answer:
    """A seat's answer as others are shown it: under its label."""

    label: str
    ballot: Ballot


@final
@dataclass(frozen=True)
class Task:
    """What is asked once, whatever the rung: the data that goes into the fence, and the words around it."""

    kind: str
    question: Question
    order: tuple[Option, ...]
    data: Mapping[str, Any]
    persona: str = ""
    seed: int = 0

    def messages(self, rung: Rung, schema: Mapping[str, Any]) -> tuple[Message, ...]:
        """The first message of a conversation, and the system's."""
        words, boundary = _words(self.question.language), boundary_of(self.data, self.seed)
        lines = {"open": f"<<<{boundary}", "close": f"{boundary}>>>"}
        fence = f"{lines['open']}\n{json_lines(self.data)}\n{lines['close']}"
        writer = self.kind == "writer"
        votes = ", ".join(_votes(self.question, self.order))
        abstain = words["abstain"] if self.question.allow_abstain else ""
        fields = "" if writer else words[f"fields_{self.kind}"].strip().format(votes=votes, abstain=abstain)
        form = _form(words, rung, schema, votes, writer=writer)
        persona = words["persona"].format(persona=self.persona) if self.persona else ""
        system = words["writer_system" if writer else "system"].strip()
        return (
            Message("system", system.format(persona=persona, language=language_of(self.question), **lines)),
            Message("user", words[self.kind].strip().format(fence=fence, fields=fields, form=form)),
        )


def first(question: Question, order: tuple[Option, ...], persona: str, seed: int) -> Task:
    """Round 1: the question alone."""
    return Task("first", question, order, _asked(question, order), persona, seed)


def second(
    question: Question,
    order: tuple[Option, ...],
    own: Ballot,
    others: Sequence[Answer],
    names: tuple[str, ...],
    persona: str,
    seed: int,
) -> Task:
    """Round 2: a seat's own first answer and those of the others, in the order given, without ``names``."""
    most = min(MOST_SHOWN, MOST_SHOWN_TOGETHER // max(1, len(others)))
    data = {
        **_asked(question, order),
        "your_answer": shown(own, names, most),
        "answers": [{"seat": each.label, **shown(each.ballot, names, most)} for each in others],
    }
    return Task("second", question, order, data, persona, seed)


def writer(question: Question, spoken: Sequence[Mapping[str, Any]], seed: int) -> Task:
    """The summary: what was said, seat by seat, under labels."""
    data = {**_asked(question, question.options), "discussion": list(spoken)}
    return Task("writer", question, question.options, data, "", seed)


def shown(ballot: Ballot, names: tuple[str, ...], most: int = MOST_SHOWN) -> dict[str, Any]:
    """What others are shown of an answer: no name, no confidence, ``most`` characters of reasoning."""
    return {
        "vote": ballot.vote or ABSTAIN,
        "claims": [{"id": each.id, "text": masked(each.text, names)} for each in ballot.claims],
        "reasoning": _clip(masked(ballot.reasoning, names), most),
    }


def again(
    question: Question, reply: str, problems: Sequence[str], *, wrong_language: bool
) -> tuple[Message, ...]:
    """What is added to a conversation when a reply could not be used."""
    words = _words(question.language)
    listed = "\n".join(f"- {_clip(each, 300)}" for each in problems)
    said = words["tongue"].format(language=language_of(question)) if wrong_language else ""
    told = said or words["again"].strip().format(problems=listed)
    return Message("assistant", _clip(reply, MOST_ECHO) or "..."), Message("user", told)


def language_of(question: Question) -> str:
    """The question's language, as its seats are told to write in it."""
    known: str | None = _all()["languages"].get(question.language)
    return known or question.language or _words(question.language)["same_language"]


def _asked(question: Question, order: Sequence[Option]) -> dict[str, Any]:
    options = [{"id": option.id, "label": option.label} for option in order]
    return {"question": question.text, "options": options}


def _votes(question: Question, order: Sequence[Option]) -> list[str]:
    return [option.id for option in order] + ([ABSTAIN] if question.allow_abstain else [])


def _form(
    words: Mapping[str, str], rung: Rung, schema: Mapping[str, Any], votes: str, *, writer: bool
) -> str:
    if rung == "line":
        return words["line_writer" if writer else "line_ballot"].strip().format(votes=votes)
    if rung == "json_object":
        return words["described"].strip().format(schema=json.dumps(schema, ensure_ascii=False))
    return words["constrained"].strip()


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 4].rstrip() + " ..."


def _words(language: str) -> Mapping[str, str]:
    found: Mapping[str, str] = _all()["ja" if language == "ja" else "en"]
    return found


@cache
def _all() -> Mapping[str, Any]:
    text = files("inbond.roundtable").joinpath("prompts.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
