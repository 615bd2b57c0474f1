"""From a host's reply with top_logprobs to tokens of our own tokenizer, and what is known of each.

A token is found by the host's own id when that checks out, else by its bytes, else by its text. A reply
whose tokens cannot be found for certain is dropped with a reason, never guessed at. An alternative that
cannot be found is left to the tail. Pure: no model, no I/O.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from inbond.teachers.pieces import Pieces
from inbond.teachers.protocols import Reply, ScoredPlace, TokenScore, TokenSequence
from inbond.teachers.tokens import UNREADABLE, encode_prompt
from inbond.types import Prompt

DropReason = Literal[
    "no-logprobs",  # the host sent none
    "unknown-token",  # a generated token is not one of our tokenizer's, or not surely one
    "joined-tokens",  # the host reported several tokens as one, and which they were cannot be told
    "text-differs",  # the tokens do not decode to the answer's text
    "special-token",  # a special token within the answer
    "not-probabilities",  # a log-probability above 0, or probabilities that add up to more than 1
    "contradiction",  # the token's own log-probability is not the one among the alternatives
]

PLACEHOLDER = -9999.0
"""What OpenAI writes for "not among the likeliest"; no float32 softmax gives it."""
_SLACK = 1e-3
_OWN_SLACK = 0.01


Row = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer as tokens, and what is known of each label token's distribution.

    ``rows`` has one entry a label token: (id, natural log-probability) pairs, likeliest first; empty where
    the host gave none. ``unknown_mass`` is the sum of the probabilities of alternatives that are not tokens
    of ours, which the tail takes.
    """

    sequence: TokenSequence
    rows: tuple[Row, ...]
    unknown_mass: float

    @property
    def labels(self) -> tuple[int, ...]:
        """The generated tokens."""
        return self.sequence.ids[self.sequence.prompt_length :]

    @property
    def kept_mass(self) -> float:
        """The sum of all kept probabilities."""
        return sum(math.exp(logp) for row in self.rows for _, logp in row)


class _DropError(Exception):
    def __init__(self, reason: DropReason) -> None:
        self.reason: DropReason = reason


def map_reply(pieces: Pieces, tokenizer: Any, prompt: Prompt, reply: Reply, size: int) -> Scored | DropReason:
    """The reply as tokens of ``tokenizer`` with at most ``size`` scores each, or why it cannot be used.

    The end-of-turn token is a label when the host reports its distribution, and is left out when not.
    Raises InputError as ``encode_prompt`` does.
    """
    try:
        if not any(place.top for place in reply.top_logprobs):
            raise _DropError("no-logprobs")
        found = [_own_id(pieces, place) for place in reply.top_logprobs]
        _check_text(pieces, reply, found)
        ids, places = _spread(pieces, tokenizer, reply, found)
        rows, unknown_mass = _rows(pieces, ids, places, size)
    except _DropError as drop:
        return drop.reason
    prompt_ids = encode_prompt(tokenizer, prompt)
    if not prompt_ids:  # as ``encode_record``: nothing to predict the first token from, so it is given
        prompt_ids, ids, rows = ids[:1], ids[1:], rows[1:]
    sequence = TokenSequence((*prompt_ids, *ids), len(prompt_ids))
    return Scored(sequence, tuple(rows), unknown_mass)


@dataclass(frozen=True, slots=True)
class _Found:
    """A reported token: its id, its bytes, and whether it ends several that were reported as one."""

    id: int
    raw: bytes
    joined: bool = False


def _own_id(pieces: Pieces, place: ScoredPlace) -> _Found:
    """llama.cpp reports the tokens of one character together: the last one's id with all their bytes.
    The alternatives' ids then check out, and its own does not."""
    token = place.token
    raw = pieces.said(token)
    if token.id is not None and raw and not pieces.checks_out(token):
        known = [pieces.checks_out(top) for top in place.top if top.id is not None]
        own = pieces.bytes_of(token.id) if known and all(known) else None
        if own and raw.endswith(own):
            return _Found(token.id, raw, joined=True)
    id_ = pieces.find(token)
    if id_ is None:
        raise _DropError("unknown-token")
    return _Found(id_, pieces.bytes_of(id_))


def _check_text(pieces: Pieces, reply: Reply, found: Sequence[_Found]) -> None:
    """Whether the tokens say the reply's text. A last character that was cut may be missing in either."""
    if any(one.id in pieces.special for one in found[:-1]):
        raise _DropError("special-token")
    said = _shown(b"".join(one.raw for one in found).decode(errors="replace"))
    text = _shown(reply.text)
    same = {said, said[1:] if pieces.spaced and said.startswith(" ") else said}
    if reply.finish == "length":
        text, same = text.rstrip(UNREADABLE), {one.rstrip(UNREADABLE) for one in same}
    if text not in same:
        raise _DropError("text-differs")


def _shown(text: str) -> str:
    """Hosts differ in how many signs they write for bytes that are no character."""
    return re.sub(UNREADABLE + "+", UNREADABLE, text)


def _spread(
    pieces: Pieces, tokenizer: Any, reply: Reply, found: Sequence[_Found]
) -> tuple[list[int], list[ScoredPlace | None]]:
    """The ids of all tokens and the place that scores each; None for one that was reported with another.

    Tokens that were reported as one are told apart by encoding the text anew, and only when that agrees
    with all that the host did say: where they begin and end, the last one's id, and how many there are.
    """
    places: list[ScoredPlace | None] = list(reply.top_logprobs)
    if not any(one.joined for one in found):
        return [one.id for one in found], places
    anew = tokenizer.encode(reply.text, add_special_tokens=False)
    ends = accumulate((len(pieces.bytes_of(id_)) for id_ in anew), initial=0)
    starts = {end: place for place, end in enumerate(ends)}
    ids: list[int] = []
    scored: list[ScoredPlace | None] = []
    position = 0
    for one, place in zip(found, reply.top_logprobs, strict=True):
        first, last = starts.get(position), starts.get(position := position + len(one.raw))
        run = [one.id]
        if one.joined:
            run = anew[first:last] if first is not None and last is not None else []
        if not run or run[-1] != one.id:
            raise _DropError("joined-tokens")
        ids += run
        scored += [*[None] * (len(run) - 1), place]
    _check_count(reply, ids)
    return ids, scored


def _check_count(reply: Reply, ids: Sequence[int]) -> None:
    """An end-of-turn token may be counted and not reported; so may the pieces of a cut last character."""
    more = 3 if reply.finish == "length" else 1
    if reply.completion_tokens is None or not 0 <= reply.completion_tokens - len(ids) <= more:
        raise _DropError("joined-tokens")


def _rows(
    pieces: Pieces, ids: Sequence[int], places: Sequence[ScoredPlace | None], size: int
) -> tuple[list[Row], float]:
    rows: list[Row] = []
    unknown_mass = 0.0
    for id_, place in zip(ids, places, strict=True):
        row, mass = ((), 0.0) if place is None else _row(pieces, id_, place, size)
        rows.append(row)
        unknown_mass += mass
    return rows, unknown_mass


def _row(pieces: Pieces, own_id: int, place: ScoredPlace, size: int) -> tuple[Row, float]:
    """What a place's alternatives and its own token say, at most ``size`` of them, the own one always."""
    found: dict[int, float] = {}
    twice: set[int] = set()
    unknown_mass = 0.0
    for score in place.top:
        logp = _usable(score)
        if logp is None:
            continue
        id_ = pieces.find(score)
        if id_ is None:
            unknown_mass += math.exp(logp)
        elif id_ in found:  # two tokens that the host shows alike: which is which cannot be told
            twice.add(id_)
        else:
            found[id_] = logp
    own = _usable(place.token)
    if own is not None:
        listed = found.get(own_id) if own_id not in twice else None
        if listed is not None and abs(math.exp(listed) - math.exp(own)) > _OWN_SLACK:
            raise _DropError("contradiction")
    for id_ in twice:
        unknown_mass += math.exp(found.pop(id_))
    if own is not None:
        found[own_id] = own
    if sum(map(math.exp, found.values())) + unknown_mass > 1 + _SLACK:
        raise _DropError("not-probabilities")
    row = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    if len(row) > size:
        kept = row[:size]
        row = kept if own_id in dict(kept) or own is None else [*kept[:-1], (own_id, own)]
    return tuple(row), unknown_mass


def _usable(score: TokenScore) -> float | None:
    """The log-probability; None for none, or one that only says "unlikely"."""
    if score.logprob is None or math.isnan(score.logprob) or score.logprob <= PLACEHOLDER:
        return None
    if score.logprob > _SLACK:
        raise _DropError("not-probabilities")
    return min(score.logprob, 0.0)
