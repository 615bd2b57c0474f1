"""Preferences: pairs of answers to one prompt of which one is to be learnt and the other unlearnt. Pure.

Pairs come from judges, from a critique and a revision (Bai et al., "Constitutional AI", arXiv:2212.08073),
from a verifier, or from a file; which of them are kept is decided here, the same way for all. What says
nothing (both answers equal), what contradicts itself, and what is too close is dropped, and so is a pair
whose lengths differ too much: preference training learns length where length tells the sides apart (Park et
al., arXiv:2403.19159). Everything dropped is counted by its reason. Lengths are characters.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, final

from inbond.digest import Digest, of_value
from inbond.types import Prompt, prompt_to_json

REASONS: Final[Mapping[str, str]] = {
    "empty": "one of the answers has no text",
    "equal": "both answers are the same",
    "margin": "the lead of the chosen answer is below margin_least",
    "contradicted": "other pairs prefer these answers the other way round",
    "duplicate": "the same pair again",
    "length": "the longer answer is more than most_length_ratio times as long",
    "balance": "left out so that the longer answer is not the chosen one more often than the shorter",
}
"""Why a pair is dropped, in words for people; the first that applies counts."""


@final
@dataclass(frozen=True)
class Preferred:
    """One answer preferred to another. ``margin``, above 0 up to 1, says by how much: among judges the part
    by which the chosen one leads, abstentions counting for neither."""

    prompt: Prompt
    chosen: str
    rejected: str
    margin: float = 1.0

    @property
    def longer_by(self) -> float:
        """Natural logarithm of chosen over rejected length: above 0 when the chosen one is longer."""
        return math.log(len(self.chosen) / len(self.rejected))

    @property
    def id(self) -> Digest:
        """Of the prompt and both texts, whichever is chosen."""
        return of_value({**prompt_to_json(self.prompt), "texts": sorted((self.chosen, self.rejected))})


@final
@dataclass(frozen=True)
class Rules:
    """Which pairs are kept. ``margin_least`` is the least margin; ``most_length_ratio`` the most that the
    longer text may be of the shorter, None for any; with ``balance`` the longer answer is the chosen one as
    often as it is the rejected one."""

    margin_least: float = 0.0
    most_length_ratio: float | None = None
    balance: bool = False

    def __post_init__(self) -> None:
        assert 0 <= self.margin_least <= 1, "a margin is at most 1"
        assert self.most_length_ratio is None or self.most_length_ratio >= 1, "longer over shorter"

    def to_json(self) -> dict[str, Any]:
        return {
            "margin_least": self.margin_least,
            "most_length_ratio": self.most_length_ratio,
            "balance": self.balance,
        }


@final
@dataclass(frozen=True)
class Lengths:
    """How long chosen and rejected answers are, in characters on average, and the share of pairs of unequal
    length in which the chosen one is the longer (None: there is no such pair)."""

    pairs: int
    chosen: float
    rejected: float
    longer: float | None

    def to_json(self) -> dict[str, Any]:
        rounded = None if self.longer is None else round(self.longer, 4)
        return {
            "pairs": self.pairs, "chosen": round(self.chosen, 1), "rejected": round(self.rejected, 1),
            "longer": rounded,
        }  # fmt: skip


@final
@dataclass(frozen=True)
class Chosen:
    """What is left. ``rows`` are the kept pairs' numbers in the input, in order; ``before`` has the lengths
    of all pairs of two different texts, ``after`` those of the kept ones."""

    rows: tuple[int, ...]
    dropped: Mapping[str, int]
    before: Lengths
    after: Lengths

    def to_json(self) -> dict[str, Any]:
        return {
            "kept": len(self.rows),
            "dropped": dict(self.dropped),
            "lengths": {"before": self.before.to_json(), "after": self.after.to_json()},
        }


def choose(pairs: Sequence[Preferred], rules: Rules) -> Chosen:
    """Keeps the pairs that the rules allow. Deterministic, and the order of the pairs decides only which of
    several copies is kept."""
    contradicted = _contradicted(pairs)
    seen: set[Digest] = set()
    dropped: Counter[str] = Counter()
    kept: list[int] = []
    for number, pair in enumerate(pairs):
        reason = _reason(pair, rules, contradicted, seen)
        if reason is None:
            kept.append(number)
        else:
            dropped[reason] += 1
    if rules.balance:
        left = _balanced(pairs, kept)
        dropped["balance"] += len(kept) - len(left)
        kept = left
    told = [pair for pair in pairs if not _equal(pair) and pair.chosen.strip() and pair.rejected.strip()]
    counts = {reason: dropped[reason] for reason in REASONS if dropped[reason]}
    return Chosen(tuple(kept), counts, lengths(told), lengths([pairs[number] for number in kept]))


def lengths(pairs: Sequence[Preferred]) -> Lengths:
    """The lengths of pairs; zeros where there is none."""
    unequal = [pair.longer_by > 0 for pair in pairs if len(pair.chosen) != len(pair.rejected)]
    return Lengths(
        len(pairs),
        fmean([len(pair.chosen) for pair in pairs] or [0]),
        fmean([len(pair.rejected) for pair in pairs] or [0]),
        fmean(unequal) if unequal else None,
    )


def in_words(dropped: Mapping[str, int]) -> str:
    """What was dropped and why, for people."""
    parts = [f"{count:,}: {REASONS.get(reason, reason)}" for reason, count in dropped.items()]
    return "; ".join(parts) or "nothing was dropped"


def _reason(pair: Preferred, rules: Rules, contradicted: frozenset[Digest], seen: set[Digest]) -> str | None:
    """Why a pair is not kept. What is kept is remembered in ``seen``."""
    if not pair.chosen.strip() or not pair.rejected.strip():
        return "empty"
    if _equal(pair):
        return "equal"
    if pair.margin < rules.margin_least:
        return "margin"
    if pair.id in contradicted:
        return "contradicted"
    if pair.id in seen:
        return "duplicate"
    most = rules.most_length_ratio
    if most is not None and abs(pair.longer_by) > math.log(most) + 1e-12:
        return "length"
    seen.add(pair.id)
    return None


def _equal(pair: Preferred) -> bool:
    """White space alone does not make two answers."""
    return pair.chosen.split() == pair.rejected.split()


def _contradicted(pairs: Sequence[Preferred]) -> frozenset[Digest]:
    """Those of which both answers were chosen somewhere: principles may disagree, one preference cannot."""
    chosen: defaultdict[Digest, set[str]] = defaultdict(set)
    for pair in pairs:
        chosen[pair.id].add(pair.chosen)
    return frozenset(id_ for id_, texts in chosen.items() if len(texts) > 1)


def _balanced(pairs: Sequence[Preferred], kept: Sequence[int]) -> list[int]:
    """As many pairs with the longer as with the shorter answer chosen: of the more frequent kind those go
    whose lengths differ most."""
    sides = {
        sign: sorted(
            (number for number in kept if sign * pairs[number].longer_by > 0),
            key=lambda number: (abs(pairs[number].longer_by), pairs[number].id),
        )
        for sign in (1, -1)
    }
    least = min(map(len, sides.values()))
    out = {number for side in sides.values() for number in side[least:]}
    return [number for number in kept if number not in out]
