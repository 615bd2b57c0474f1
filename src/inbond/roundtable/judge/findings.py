"""What a whole batch says: how many pairs were decided, how far the judges agree, which of them failed their
canaries, what length had to do with it. Pure: from judgements to numbers and sentences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, final

from inbond.roundtable.judge import dawid_skene, lengths
from inbond.roundtable.judge.batch import Batch, Judge
from inbond.roundtable.judge.canaries import Trial, tried
from inbond.roundtable.judge.families import writers
from inbond.roundtable.judge.hearing import Usage
from inbond.roundtable.judge.judging import VOTE_STATUSES, Judgement
from inbond.roundtable.judge.pairs import Pair
from inbond.roundtable.judge.statistics import (
    LEAST_ITEMS,
    Agreement,
    agreement,
    effective_votes,
    mean_correlation,
)

CATEGORIES: Final = ("a", "b", "equal")
_NUMBERS: Final = {"a": 1.0, "b": -1.0, "equal": 0.0}
_LEAST_JUDGES: Final = 3


@final
@dataclass(frozen=True)
class Findings:
    """All judgements of a batch (its pairs, then its canaries), by whom, and what it took. Nothing here
    counts canaries but the trials."""

    batch: Batch
    judges: tuple[Judge, ...]
    judgements: tuple[Judgement, ...]
    usage: Mapping[str, Usage]

    @property
    def of_pairs(self) -> tuple[Judgement, ...]:
        """Without the canaries."""
        return self.judgements[: len(self.batch.pairs)]

    @property
    def of_canaries(self) -> tuple[Judgement, ...]:
        return self.judgements[len(self.batch.pairs) :]

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        by_id = {judgement.pair.id: judgement for judgement in self.judgements}
        return tuple(tried(judge.name, self.batch.canaries, by_id) for judge in self.judges)

    @cached_property
    def agreement(self) -> dict[str, Agreement]:
        """Over all questions together ("all"; pairs are the units drawn), and by principle."""
        ids = [principle.id for principle in self.batch.constitution.principles]
        rows = {id_: self._items((id_,)) for id_ in ids}
        units = [judgement.pair.id for judgement in self.of_pairs]
        found = {"all": agreement(self._items(ids), CATEGORIES, units=units * len(ids))}
        return found | {id_: agreement(items, CATEGORIES) for id_, items in rows.items()}

    @cached_property
    def correlation(self) -> float | None:
        """Mean correlation of the judges' votes; None for too few pairs, however many principles."""
        if sum(len(_cast(judgement)) >= 2 for judgement in self.of_pairs) < LEAST_ITEMS:
            return None
        ids = [principle.id for principle in self.batch.constitution.principles]
        numbers = [{judge: _NUMBERS[value] for judge, value in item.items()} for item in self._items(ids)]
        return mean_correlation(numbers, [judge.name for judge in self.judges])

    @cached_property
    def correlation_of_errors(self) -> float | None:
        """The same of their errors, what Dawid and Skene's estimate holds for likeliest taken for the truth;
        None where there is no estimate, or nobody errs."""
        estimated, _ = self.reliability
        if estimated is None:
            return None
        truths = [CATEGORIES[row.index(max(row))] for row in map(list, estimated.posteriors)]
        errors = [
            {judge: float(value != truth) for judge, value in item.items()}
            for item, truth in zip(self._voted, truths, strict=True)
        ]
        return mean_correlation(errors, [judge.name for judge in self.judges])

    @cached_property
    def lengths(self) -> lengths.Lengths:
        return lengths.measure(self.of_pairs)

    @cached_property
    def reliability(self) -> tuple[dawid_skene.Estimated | None, str]:
        """Dawid and Skene's estimate over all questions with a vote, or None and why not."""
        items = [{judge: (value,) for judge, value in item.items()} for item in self._voted]
        pairs = sum(bool(_cast(judgement)) for judgement in self.of_pairs)
        if pairs < dawid_skene.LEAST_ITEMS:
            return None, f"pairs with a vote: {pairs}; told from {dawid_skene.LEAST_ITEMS} on"
        if len({judge for item in items for judge in item}) < _LEAST_JUDGES:
            return None, f"fewer than {_LEAST_JUDGES} judges that voted"
        if all(item == items[0] for item in items):
            return None, "the votes are the same on every question"
        return dawid_skene.estimate(items, CATEGORIES), ""

    def statuses(self, judge: str) -> dict[str, int]:
        """How the judge's votes on the pairs ended."""
        counts = Counter(vote.status for each in self.of_pairs for vote in each.votes if vote.judge == judge)
        return {status: counts[status] for status in VOTE_STATUSES}

    @property
    def chosen(self) -> dict[str, int]:
        """How many pairs were decided, for which side."""
        counts = Counter(judgement.chosen for judgement in self.of_pairs)
        return {"a": counts["a"], "b": counts["b"], "undecided": counts[None]}

    @property
    def unknown_families(self) -> list[str]:
        """Who could not be placed: judges, and candidates whose writer the file names or not."""
        judges = [f"judge {judge.name}" for judge in self.judges if not judge.families]
        candidates = sum(not _placed(pair) for pair in self.batch.pairs)
        return judges + (
            [f"candidates (in {candidates:,} of {len(self.batch.pairs):,} pairs)"] if candidates else []
        )

    @property
    def _voted(self) -> list[dict[str, str]]:
        """Of all questions with a vote, what each judge voted."""
        ids = [principle.id for principle in self.batch.constitution.principles]
        return [item for item in self._items(ids) if item]

    def _items(self, principles: Sequence[str]) -> list[dict[str, str]]:
        """What each judge voted on each pair, principle after principle."""
        return [_cast(judgement, principle) for principle in principles for judgement in self.of_pairs]

    def to_json(self) -> dict[str, Any]:
        batch, trials = self.batch, zip(self.judges, self.trials, strict=True)
        return {
            "batch": batch.digest,
            "constitution": {"title": batch.constitution.title, "digest": batch.constitution.digest},
            "pairs": len(batch.pairs),
            "canaries": len(batch.canaries),
            "chosen": self.chosen,
            "judges": [self._judge_json(judge, trial) for judge, trial in trials],
            "failed_canaries": [trial.judge for trial in self.trials if trial.outcome == "failed"],
            "unknown_families": self.unknown_families,
            "agreement": {id_: found.to_json() for id_, found in self.agreement.items()},
            "effective_votes": self._effective_json(),
            "reliability": self._reliability_json(),
            "length": self.lengths.to_json(),
            "cost_usd": sum(usage.whole_cost_usd for usage in self.usage.values()),
        }  # fmt: skip

    def _judge_json(self, judge: Judge, trial: Trial) -> dict[str, Any]:
        usage = self.usage[judge.name]
        return {
            "name": judge.name,
            "uri": judge.uri,
            "identity": judge.teacher.identity,
            "families": sorted(judge.families),
            "votes": self.statuses(judge.name),
            "canaries": {
                "outcome": trial.outcome,
                "wrong_told": trial.wrong_told,
                "wrong_missed": trial.wrong_missed,
                "swapped_told": trial.swapped_told,
                "swapped_missed": trial.swapped_missed,
                "untold": trial.untold,
            },
            "asked": usage.asked,
            "from_journal": usage.from_journal,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cost_usd": usage.whole_cost_usd,
        }

    def _effective_json(self) -> dict[str, Any]:
        votes = self._effective(self.correlation, _OF_VOTES, _NO_RHO)
        errors = self._effective(self.correlation_of_errors, _OF_ERRORS, _NO_ERRORS)
        return {"judges": len(self.judges), **votes, "by_errors": errors}

    def _effective(self, rho: float | None, why: str, why_not: str) -> dict[str, Any]:
        value = None if rho is None else effective_votes(len(self.judges), rho)
        return {"value": value, "correlation": rho, "why": why_not if rho is None else why}

    def _reliability_json(self) -> dict[str, Any]:
        found, why = self.reliability
        if found is None:
            return {"judges": None, "why": why}
        judges = {name: found.accuracy(name) for name in found.confusion}
        return {"judges": judges, "why": _TOGETHER, "converged": found.converged, "steps": found.steps}

    def lines(self) -> Iterator[str]:
        """For people."""
        chosen, pairs = self.chosen, len(self.batch.pairs)
        yield (
            f"Pairs: {pairs:,}, judges: {len(self.judges)}. Decided: {pairs - chosen['undecided']:,} "
            f"(a {chosen['a']:,}, b {chosen['b']:,}); tied or without votes: {chosen['undecided']:,}"
        )
        for judge in self.judges:
            counts = self.statuses(judge.name)
            told = ", ".join(f"{count:,} {status}" for status, count in counts.items() if count)
            yield f"  {judge.name}: {told}"
        yield "Canaries:"
        yield from (f"  {trial.sentence()}" for trial in self.trials)
        for name in (trial.judge for trial in self.trials if trial.outcome == "failed"):
            yield f"{name} FAILED its canaries. Its votes count; to leave it out, run the command without it."
        if self.unknown_families:
            yield f"Family unknown, so nothing was excluded for it: {', '.join(self.unknown_families)}"
        yield from self._figures()

    def _effective_lines(self) -> Iterator[str]:
        found = self._effective_json()
        if found["value"] is None:
            yield f"Effective votes: cannot be told: {found['why']}"
            return
        for name, each in (("Effective votes", found), ("  by errors", found["by_errors"])):
            if each["value"] is not None:
                told = f"{each['value']:.1f} of {len(self.judges)}, correlation {each['correlation']:.2f}"
                yield f"{name}: {told} ({each['why']})"

    def _figures(self) -> Iterator[str]:
        found = self.agreement["all"]
        if found.percent.value is None:
            yield f"Agreement {found.percent.words()}"
        else:
            yield f"Agreement: {found.percent.words()}"
            yield f"  beyond chance: alpha {found.alpha.words()}; AC1 {found.ac1.words()}"
        yield from self._effective_lines()
        yield f"The longer answer was chosen: {self.lengths.longer.words()}"
        if self.lengths.a_wins_controlled is not None:
            side, controlled = self.lengths.side or "side a", self.lengths.a_wins_controlled
            yield f"{side} wins {self.lengths.a_wins:.2f}; at equal length {controlled:.2f}"
        estimated, why = self.reliability
        if estimated is None:
            yield f"Reliability by Dawid and Skene: not estimated: {why}"
        else:
            each = ", ".join(f"{name} {estimated.accuracy(name):.2f}" for name in sorted(estimated.confusion))
            yield f"Reliability by Dawid and Skene: {each} ({_TOGETHER})"


_NO_RHO: Final = f"two judges vote on fewer than {LEAST_ITEMS} of the same pairs, or do not vary"
_OF_VOTES: Final = "of votes, which share the truth too: rather too few than too many"
_OF_ERRORS: Final = (
    "of errors by Dawid and Skene's estimate, which believes those that err together: rather too many"
)
_NO_ERRORS: Final = "there is no estimate of what is right, or fewer than two judges err by it"
_TOGETHER: Final = "as far as judges err apart from each other"


def _cast(judgement: Judgement, principle: str | None = None) -> dict[str, str]:
    return {
        vote.judge: vote.value
        for vote in judgement.votes
        if vote.value is not None and principle in (None, vote.principle)
    }


def _placed(pair: Pair) -> bool:
    found = writers(pair)
    return len(found) == 2 and all(found.values())
