"""The JSON that a seat is asked for, as schemas, and reading it back: never a vote that was not given. Pure.

Fields stand in the order in which a model should think: the reasoning first, the vote after it. What is
wrong with a vote is a *problem*, for which the seat is asked again; what is wrong beside it (a confidence of
200) is a *lapse*: the field is left out, and the lapse is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from inbond.roundtable.ballots import MOST_CLAIMS, Ballot, Claim, Influence
from inbond.roundtable.likeness import is_hidden, same
from inbond.roundtable.question import ABSTAIN, Option, Question

EFFECTS: Final = ("adopted", "rebutted", "unmoved")
MOST_REASONING: Final = 8_000
MOST_WORDS: Final = 1_000
MOST_CLAIM: Final = 600
_NO: Final = ("false", "no", "いいえ")
_NOTHING: Final = re.compile(
    r"\W*|no|none|n/a|na|null|nil|nothing|false|true|yes|なし|無し|特になし|ない|該当なし"
)
"""What is no reason, whatever stands beside it."""
_LINE_ENDS: Final = str.maketrans("\u2028\u2029", "\n\n")
_SENTENCE: Final = re.compile(r".+?(?:[.!?](?=\s|$)|[。！？؟।]|$)", re.DOTALL)


@final
@dataclass(frozen=True)
class Reading:
    """``ballot`` is None where ``problems`` say why there is none; ``lapses`` are what was left out of it."""

    ballot: Ballot | None
    problems: tuple[str, ...] = ()
    lapses: tuple[str, ...] = ()


def first_schema(question: Question, order: Sequence[Option]) -> dict[str, Any]:
    """JSON schema of a reply in round 1; ``order`` is how the seat sees the options."""
    return object_schema(
        reasoning=_text(),
        claims={"type": "array", "maxItems": MOST_CLAIMS, "items": object_schema(id=_text(), text=_text())},
        vote={"type": "string", "enum": _votes(question, order)},
        abstain_reason=_text(),
        confidence={"type": "number"},
        would_change_if=_text(),
        question_is_sound={"type": "boolean"},
        ill_posed=_text(),
    )


def second_schema(question: Question, order: Sequence[Option], labels: Sequence[str]) -> dict[str, Any]:
    """JSON schema of a reply in round 2; ``labels`` are the seats whose answers it is shown."""
    seat = {"type": "string", "enum": list(labels)}
    effect = {"type": "string", "enum": list(EFFECTS)}
    influence = object_schema(seat=seat, claim=_text(), quote=_text(), effect=effect)
    return object_schema(
        reasoning=_text(),
        influenced_by={"type": "array", "maxItems": 2 * MOST_CLAIMS, "items": influence},
        rebuttal=object_schema(seat=seat, claim=_text(), text=_text()),
        vote={"type": "string", "enum": _votes(question, order)},
        abstain_reason=_text(),
        confidence={"type": "number"},
        question_is_sound={"type": "boolean"},
        ill_posed=_text(),
    )


def bounded(schema: Mapping[str, Any], most: int | None) -> Mapping[str, Any]:
    """The schema with at most so many characters for each free text; as it is for None."""
    bound: Mapping[str, Any] = schema if most is None else _bounded(schema, most)
    return bound


def _bounded(part: Any, most: int) -> Any:
    if isinstance(part, list):
        return [_bounded(item, most) for item in part]
    if not isinstance(part, Mapping):
        return part
    free = part.get("type") == "string" and "enum" not in part
    inner = {key: _bounded(value, most) for key, value in part.items()}
    return {**inner, "maxLength": most} if free else inner


def read_ballot(value: Any, question: Question, labels: Sequence[str] = ()) -> Reading:
    """Reads a reply of either round, as JSON; ``labels`` are those of the second. Total."""
    if not isinstance(value, Mapping):
        return Reading(None, ("the reply is JSON, but no object",))
    lapses: list[str] = []
    vote, problem = _vote(value.get("vote"), question)
    reasoning = _words(value.get("reasoning"), MOST_REASONING)
    if problem is None and not reasoning:
        problem = 'the field "reasoning" is missing or empty'
    if problem is not None:
        return Reading(None, (problem,))
    rebuttal = value.get("rebuttal") if labels else None
    rebuttal = rebuttal if isinstance(rebuttal, Mapping) else {"text": rebuttal}
    ballot = Ballot(
        reasoning=reasoning,
        claims=_claims(value.get("claims"), reasoning, lapses, wanted=not labels),
        vote=vote,
        abstain_reason=_words(value.get("abstain_reason")) if vote is None else "",
        confidence=_confidence(value.get("confidence"), lapses),
        would_change_if=_words(value.get("would_change_if")),
        ill_posed=_ill_posed(value, lapses),
        influences=_influences(value.get("influenced_by"), labels, lapses) if labels else (),
        rebuttal=_words(rebuttal.get("text")),
        rebuts=_rebuts(rebuttal, labels),
    )
    return Reading(ballot, (), tuple(lapses))


def first_sentence(text: str) -> str:
    """A text's first sentence, word for word, at most as long as a claim."""
    found = _SENTENCE.match(text.strip())
    return found.group().strip()[:MOST_CLAIM] if found else ""


def object_schema(**fields: Any) -> dict[str, Any]:
    """JSON schema of an object with just these fields, in this order, all of them."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _text() -> dict[str, Any]:
    return {"type": "string"}


def _votes(question: Question, order: Sequence[Option]) -> list[str]:
    return [*(option.id for option in order), *([ABSTAIN] if question.allow_abstain else [])]


def _vote(value: Any, question: Question) -> tuple[str | None, str | None]:
    """The option's id, None for an abstention; and what is wrong. A label is as good as an id where it names
    one thing only; what names two is no vote."""
    known = ", ".join(_votes(question, question.options))
    if not isinstance(value, str):
        return None, f'the field "vote" is missing or no text; it is one of: {known}'
    named = _named(same(value), question)
    if len(named) == 1:
        return named[0], None
    if named:
        return None, f"the vote {value[:60]!r} may mean more than one option; it is one of: {known}"
    return None, f"the vote {value[:60]!r} is none of: {known}"


def _named(said: str, question: Question) -> list[str | None]:
    """Everything that a vote may mean: options' ids, None for an abstention."""
    found: list[str | None] = [None] if said == ABSTAIN and question.allow_abstain else []
    for option in question.options:
        ways = (option.id, option.label, f"{option.id}: {option.label}")
        if said in map(same, ways):
            found.append(option.id)
    return found


def _words(value: Any, most: int = MOST_WORDS) -> str:
    """Text without what is hidden in it, which others would be shown and no reader of the page would see; ""
    for what is no text."""
    if not isinstance(value, str):
        return ""
    start = value[: 4 * most].translate(_LINE_ENDS)
    kept = (each for each in start if each in "\n\t" or not is_hidden(each))
    return "".join(kept).strip()[:most]


def _ill_posed(value: Mapping[str, Any], lapses: list[str]) -> str:
    """What is wrong with the question, only where the seat says no outright to its being sound, and why: that
    a text is there may as well mean that it says that nothing is wrong."""
    sound, why = value.get("question_is_sound"), _words(value.get("ill_posed"))
    said_no = sound is False or (isinstance(sound, str) and same(sound) in _NO)
    if not said_no or _NOTHING.fullmatch(same(why).strip(" .。")):
        if said_no or (why and not isinstance(sound, bool)):
            lapses.append("it does not say both that the question is unsound and why")
        return ""
    return why


def _confidence(value: Any, lapses: list[str]) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    lapses.append("the confidence is no number from 0 to 1")
    return None


def _claims(value: Any, reasoning: str, lapses: list[str], *, wanted: bool) -> tuple[Claim, ...]:
    """At most three, numbered as they stand. Without any, the first sentence of the reasoning is the claim,
    word for word: it is what the seat said."""
    items = value if isinstance(value, list) else []
    texts = [_words(each.get("text") if isinstance(each, Mapping) else each, MOST_CLAIM) for each in items]
    texts = [text for text in texts if text]
    if len(texts) > MOST_CLAIMS:
        lapses.append(f"{len(texts)} claims; the first {MOST_CLAIMS} are kept")
    if not texts:
        texts = [first_sentence(reasoning)]
        if wanted:
            lapses.append("no claims; the first sentence of its reasoning stands for one")
    return tuple(Claim(f"c{number}", text) for number, text in enumerate(texts[:MOST_CLAIMS], start=1))


def _influences(value: Any, labels: Sequence[str], lapses: list[str]) -> tuple[Influence, ...]:
    found = []
    for each in value[: 4 * MOST_CLAIMS] if isinstance(value, list) else []:
        item = each if isinstance(each, Mapping) else {}
        seat, effect = label_of(item.get("seat"), labels), item.get("effect")
        claim = _words(item.get("claim"), 20)
        if seat is None or effect not in EFFECTS or not claim:
            lapses.append("an influence that names no seat, claim and effect that there are")
        else:
            found.append(Influence(seat, claim, _words(item.get("quote")), effect))
    return tuple(found)


def label_of(value: Any, labels: Sequence[str]) -> str | None:
    """The label that a reply names, with or without the word before the letter."""
    said = same(value) if isinstance(value, str) else ""
    return next((label for label in labels if said and said in (same(label), same(label.split()[-1]))), None)


def _rebuts(rebuttal: Mapping[str, Any], labels: Sequence[str]) -> str:
    seat, claim = label_of(rebuttal.get("seat"), labels), _words(rebuttal.get("claim"), 20)
    return f"{seat} {claim}" if seat and claim else ""
