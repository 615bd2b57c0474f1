"""The summary: sentences that cite what a seat claimed, checked; built by code where no writer serves. Pure.

The writer does not vote and sees labels for names. A sentence of its own that cites nothing that is there,
that shares no word with what it cites, or that is seen to speak of the count, is dropped: the count is ours,
and stands before the summary wherever that is shown. The strongest argument for each option and the
dissent are always chosen by code, from what was cited by others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from inbond.roundtable.anonymity import label, masked
from inbond.roundtable.ballots import Claim
from inbond.roundtable.bearing import bears_on, speaks_of_count
from inbond.roundtable.forms import label_of, object_schema
from inbond.roundtable.prompts import shown
from inbond.roundtable.question import Question
from inbond.roundtable.session import Cite, Result, Seat, Sentence, Summary
from inbond.roundtable.turning import adopted, holds

MOST_SENTENCES: Final = 8
MOST_SENTENCE: Final = 600


def schema(seats: Sequence[Seat]) -> dict[str, Any]:
    """JSON schema of what the writer writes."""
    labels = [label(number) for number, seat in enumerate(seats) if _spoke(seat)]
    cite = object_schema(
        seat={"type": "string", "enum": labels},
        round={"type": "integer", "enum": [1, 2]},
        claim={"type": "string"},
    )
    sentence = object_schema(text={"type": "string"}, cites={"type": "array", "items": cite})
    return object_schema(sentences={"type": "array", "maxItems": MOST_SENTENCES, "items": sentence})


def spoken(seats: Sequence[Seat], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """What the writer is shown: every answer of every seat, under labels."""
    return [
        {"seat": label(number), "round": turn.round, **shown(turn.ballot, names, 800)}
        for number, seat in enumerate(seats)
        for turn in seat.turns
        if turn.ballot is not None
    ]


def read(
    value: Any, seats: Sequence[Seat], names: tuple[str, ...]
) -> tuple[dict[str, Any] | None, tuple[str, ...], tuple[str, ...]]:
    """The writer's sentences with names for labels, problems, and what was dropped. Total."""
    items = value.get("sentences") if isinstance(value, Mapping) else None
    if not isinstance(items, list) or not items:
        return None, ('the field "sentences" is missing or empty',), ()
    kept: list[Sentence] = []
    dropped: list[str] = []
    for item in items[:MOST_SENTENCES]:
        found = _sentence(item if isinstance(item, Mapping) else {}, seats, names)
        if found in kept:
            dropped.append("a sentence that was there already")
        elif isinstance(found, Sentence):
            kept.append(found)
        else:
            dropped.append(found)
    if not kept:
        return None, ("no sentence can be kept", *sorted(set(dropped))), ()
    return {"sentences": [asdict(each) for each in kept]}, (), tuple(dropped)


def checked(sentence: Sentence, seats: Sequence[Seat]) -> bool:
    """Whether everything that a sentence cites is there, and something is."""
    return bool(sentence.cites) and all(claim_of(cite, seats) is not None for cite in sentence.cites)


def claim_of(cite: Cite, seats: Sequence[Seat]) -> Claim | None:
    """The claim that is cited; None where there is none such."""
    for seat in seats:
        for turn in seat.turns:
            if seat.name == cite.seat and turn.round == cite.round and turn.ballot is not None:
                return next((each for each in turn.ballot.claims if each.id == cite.claim), None)
    return None


def make(
    question: Question,
    seats: Sequence[Seat],
    result: Result,
    names: tuple[str, ...],
    *,
    written: Mapping[str, Any] | None = None,
    by: str = "code",
    why_code: str = "",
) -> Summary:
    """The whole summary, around what a writer wrote (as ``read`` gave it), or without one."""
    strongest = _strongest(question, seats, names)
    dissent = tuple(
        _quoted(cite, seats) for cite in _dissenting(seats, result) if cite not in strongest.values()
    )
    dissent = dissent or tuple(_quoted(cite, seats) for cite in _dissenting(seats, result))
    if written is not None:
        sentences = tuple(map(sentence_from_json, written["sentences"]))
        return Summary(by, sentences, strongest, dissent)
    order = sorted(strongest, key=lambda option: (-result.tally[option], option))
    quoted = tuple(_quoted(strongest[option], seats) for option in order)
    return Summary("code", quoted, strongest, dissent, why_code)


def to_json(summary: Summary) -> dict[str, Any]:
    """``from_json`` reads it."""
    return asdict(summary)


def from_json(value: Mapping[str, Any]) -> Summary:
    """Reads ``to_json``."""
    return Summary(
        value["by"],
        tuple(map(sentence_from_json, value["sentences"])),
        {option: Cite(**cite) for option, cite in value["strongest"].items()},
        tuple(map(sentence_from_json, value["dissent"])),
        value["why_code"],
    )


def sentence_from_json(value: Mapping[str, Any]) -> Sentence:
    """Reads a sentence as ``to_json`` writes it."""
    return Sentence(value["text"], tuple(Cite(**cite) for cite in value["cites"]))


def _spoke(seat: Seat) -> bool:
    return any(turn.ballot is not None for turn in seat.turns)


def _sentence(item: Mapping[str, Any], seats: Sequence[Seat], names: tuple[str, ...]) -> Sentence | str:
    text = item.get("text")
    if not isinstance(text, str) or not text.strip():
        return "a sentence without text"
    text = masked(" ".join(text.split()), names)[:MOST_SENTENCE]
    if speaks_of_count(text):
        return "a sentence that speaks of the count, which is not the writer's to say"
    cites = item.get("cites")
    found = tuple(_cite(each, seats) for each in cites) if isinstance(cites, list) else ()
    valid = tuple(dict.fromkeys(cite for cite in found if cite is not None))
    if not valid:
        return "a sentence that cites no claim that there is"
    claims = [claim.text for cite in valid if (claim := claim_of(cite, seats)) is not None]
    if not bears_on(text, [*claims, *(masked(claim, names) for claim in claims)]):
        return "a sentence that shares no word with the claims that it cites"
    return Sentence(text, valid)


def _cite(value: Any, seats: Sequence[Seat]) -> Cite | None:
    value = value if isinstance(value, Mapping) else {}
    labels = [label(number) for number in range(len(seats))]
    said, claim, round_ = label_of(value.get("seat"), labels), value.get("claim"), value.get("round", 1)
    if said is None or not isinstance(claim, str) or round_ not in (1, 2):
        return None
    cite = Cite(seats[labels.index(said)].name, int(round_), claim.strip())
    return cite if claim_of(cite, seats) is not None else None


def _quoted(cite: Cite, seats: Sequence[Seat]) -> Sentence:
    claim = claim_of(cite, seats)
    assert claim is not None, "it was chosen from what there is"
    return Sentence(claim.text, (cite,))


def _strongest(question: Question, seats: Sequence[Seat], names: tuple[str, ...]) -> dict[str, Cite]:
    """For each option with a vote in any round, its voters' claim that most others adopted, then that most
    had to answer, then of the surest seat; then by the claim's own words, whose seat it ever was."""
    weights = _weights(seats, names)
    best: dict[str, tuple[Any, Cite]] = {}
    for seat in seats:
        for turn in seat.turns:
            if turn.ballot is None or turn.ballot.vote is None:
                continue
            for claim in turn.ballot.claims:
                cite = Cite(seat.name, turn.round, claim.id)
                adopted, answered = weights[cite, "adopted"], weights[cite, "answered"]
                sure = turn.ballot.confidence or 0.0
                rank = (-adopted, -answered, -sure, turn.round, claim.id, claim.text, seat.name)
                if turn.ballot.vote not in best or rank < best[turn.ballot.vote][0]:
                    best[turn.ballot.vote] = (rank, cite)
    return {option.id: best[option.id][1] for option in question.options if option.id in best}


def _weights(seats: Sequence[Seat], names: tuple[str, ...]) -> Counter[tuple[Cite, str]]:
    """How often a claim of round 1 was adopted with its words, and how often it was answered."""
    found: Counter[tuple[Cite, str]] = Counter()
    for seat in seats:
        for turn in seat.turns:
            if turn.ballot is None:
                continue
            for influence in adopted(turn):
                by = holds(influence, turn, seats, names)
                if by is not None:
                    found[Cite(by, 1, influence.claim), "adopted"] += 1
            said, _, claim = turn.ballot.rebuts.rpartition(" ")
            if said in turn.labels:
                found[Cite(turn.labels[said], 1, claim), "answered"] += 1
    return found


def _dissenting(seats: Sequence[Seat], result: Result) -> list[Cite]:
    """The first claim of each seat that voted otherwise than the winner, be it that it failed since."""
    return [
        Cite(seat.name, turn.round, turn.ballot.claims[0].id)
        for seat in seats
        for turn in [turn for turn in seat.turns if turn.ballot is not None][-1:]
        if result.winner is not None
        and turn.status == "voted"
        and turn.ballot is not None
        and turn.ballot.vote != result.winner
        and turn.ballot.claims
    ]
