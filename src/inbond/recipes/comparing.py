"""Pairs from judges: the teacher's samples of a prompt, compared by models that the recipe names.

The judging is the roundtable's (``roundtable.judge``): by each principle, in both orders, with canaries that
try the judges. Every reply is kept in ``data/comparisons`` (role judge, parents: the two answers); what they
come to is in ``votes.json`` beside it, without text. Both answers of a pair have one author, so there is no
own family that a judge could favour.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations, islice
from pathlib import Path
from typing import Any, Final, final

from inbond.engine.journal import Journal
from inbond.engine.pacing import FailurePolicy
from inbond.errors import DecisionNeededError
from inbond.ledger.manifest import Identity
from inbond.ledger.records import Row, read_rows, write_rows
from inbond.recipes.models import find_weights
from inbond.recipes.preferring import Candidate, Gathered, Setting, Source
from inbond.recipes.revision import constitution_of
from inbond.recipes.trail import Artifact, Made
from inbond.roundtable import ladder
from inbond.roundtable.judge import asking
from inbond.roundtable.judge.batch import Batch
from inbond.roundtable.judge.canaries import tried
from inbond.roundtable.judge.hearing import Asking, Usage
from inbond.roundtable.judge.holding import seated
from inbond.roundtable.judge.judging import Judgement
from inbond.roundtable.judge.pairs import Pair
from inbond.roundtable.judge.progress import Standing
from inbond.roundtable.judge.wording import Asked, Item
from inbond.roundtable.seating import opener
from inbond.teachers.protocols import Sampling
from inbond.types import Origin, Record, parse_model_name
from inbond.workspace import write_json

COMPARE_VERSION = 1
VOTES = "votes.json"
UNDECIDED: Final = "pairs that the judges did not decide"
_EVERY_S = 1.0


def compared(setting: Setting) -> Source:
    """Lets the judges compare, and gives the pairs that they decided."""
    work = _Comparison(setting)
    comparisons = work.compare()
    sets = {"train": setting.data.train, "comparisons": comparisons}
    return Source({}, sets, lambda: work.gather(comparisons))


def pairs_of(rows: Sequence[Row], most: int) -> Iterator[tuple[int, int]]:
    """Row numbers of two different answers to one prompt, at most ``most`` pairs of each prompt: those whose
    lengths are nearest to each other first."""
    by_prompt: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if not row.origin.own:
            by_prompt[row.record.prompt_id].append(number)
    for numbers in by_prompt.values():
        texts = [rows[number].record.completion for number in numbers]
        both = [
            (abs(len(texts[a]) - len(texts[b])), numbers[a], numbers[b])
            for a, b in combinations(range(len(numbers)), 2)
            if texts[a].split() != texts[b].split()
        ]
        yield from ((a, b) for _, a, b in islice(sorted(both), most))


@final
class _Comparison:
    """The stage, and the pairs."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._constitution = constitution_of(setting)

    @cached_property
    def _train(self) -> list[Row]:
        return read_rows(self._setting.data.train.folder)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(self._setting.section.judge_tokens, temperature=0.0)

    def compare(self) -> Artifact:
        """Every pair judged by every judge."""
        setting, section = self._setting, self._setting.section
        config = {
            "judges": dict(section.judges),
            "terms": dict(setting.judges),
            "constitution": self._constitution.digest,
            "both_orders": section.both_orders,
            "pairs_a_prompt": section.pairs_a_prompt,
            "sampling": self._sampling.to_json(),
        }
        identity = Identity("compare", COMPARE_VERSION, config, {"train": setting.data.train.id})

        def make(folder: Path) -> Made:
            rows = list(pairs_of(self._train, section.pairs_a_prompt))
            batch = Batch(
                tuple(self._pair(number, a, b) for number, (a, b) in enumerate(rows, 1)),
                self._constitution,
                ("ab", "ba") if section.both_orders else ("ab",),
                setting.plan.recipe.name,
            )
            judgements, usage = asyncio.run(self._ask(batch)) if rows else ((), {})
            of_pairs = list(zip(rows, judgements, strict=False))  # the canaries' come after them
            write_json(folder / VOTES, [_told(pair, judgement) for pair, judgement in of_pairs])
            facts = {**_counts(usage), "judges": self._judges(batch, judgements)}
            return Made(facts, write_rows(folder, list(self._rows(of_pairs))))

        return setting.trail.stage("compare", "data/comparisons", identity, make)

    def _pair(self, number: int, a: int, b: int) -> Pair:
        first, second = self._train[a].record, self._train[b].record
        return Pair(f"pair-{number}", first.prompt, first.completion, second.completion)

    async def _ask(self, batch: Batch) -> tuple[tuple[Judgement, ...], dict[str, Usage]]:
        setting, recipe = self._setting, self._setting.plan.recipe
        cap, workspace = recipe.generate.spend_cap_usd, setting.trail.workspace
        open_ = opener(os.environ, lambda name: find_weights(name, workspace))
        policy = FailurePolicy(attempts=recipe.generate.attempts, timeout_s=recipe.generate.timeout_s)
        async with seated(list(setting.section.judges.items()), {}, open_) as judges:
            with Journal.open(workspace.journal) as journal:
                left = None if cap is None else max(0.0, cap - journal.spent(recipe.name).cost_usd)
                how = Asking(policy, left, self._sampling)
                try:
                    return await asking.ask(batch, judges, journal, how, self._meter())
                except DecisionNeededError as error:
                    raise DecisionNeededError(
                        expected=error.expected,
                        found=error.found,
                        fix="raise generate.spend_cap_usd and run again: only what is missing is asked",
                    ) from error

    def _meter(self) -> Callable[[Standing], None]:
        last = float("-inf")

        def show(now: Standing) -> None:
            nonlocal last
            if time.monotonic() - last >= _EVERY_S:
                last = time.monotonic()
                note = f"{now.a_second or 0:.1f} replies/s, ${now.cost_usd:.4f} so far"
                self._setting.trail.watcher.advance("compare", now.done, now.total, note)

        return show

    def _judges(self, batch: Batch, judgements: Sequence[Judgement]) -> dict[str, dict[str, Any]]:
        """What each judge did: its votes by what they were, and how it did on the canaries."""
        by_id = {judgement.pair.id: judgement for judgement in judgements}
        found = {}
        for name in self._setting.section.judges:
            mine = [v for j in judgements[: len(batch.pairs)] for v in j.votes if v.judge == name]
            counts = Counter(vote.value or vote.status for vote in mine)
            trial = tried(name, batch.canaries, by_id) if judgements else None
            found[name] = {
                "votes": dict(sorted(counts.items())),
                "canaries": trial.outcome if trial else "cannot-tell",
            }
        return found

    def _rows(self, of_pairs: Sequence[tuple[tuple[int, int], Judgement]]) -> Iterator[Row]:
        """A row for each reply that a judge gave."""
        setting = self._setting
        origins = {
            name: Origin(
                uri, parse_model_name(uri).channel, "judge", self._sampling.to_json(), setting.judges[name]
            )
            for name, uri in setting.section.judges.items()
        }
        principles = {principle.id: principle for principle in self._constitution.principles}
        for rows, judgement in of_pairs:
            for vote in judgement.votes:
                for order, heard in vote.heard.items():
                    if not heard.raw.strip():
                        continue
                    rung = heard.path if heard.path in ladder.RUNGS else ladder.RUNGS[0]
                    asked = Asked(Item(judgement.pair, principles[vote.principle], order), rung)
                    prompt = asked.request("", self._sampling).prompt
                    yield Row(Record(prompt, heard.raw), origins[vote.judge], rows)

    def gather(self, comparisons: Artifact) -> Gathered:
        """The pairs that were decided."""
        behind: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for number, row in enumerate(read_rows(comparisons.folder)):
            behind[row.parents].append(len(self._train) + number)
        votes: list[dict[str, Any]] = json.loads((comparisons.folder / VOTES).read_bytes())
        pairs, without = [], Counter[str]()
        for told in votes:
            if not told["margin"]:
                without[UNDECIDED] += 1
                continue
            a, b = told["rows"]
            judged = tuple(behind[a, b])
            sides = [replace(self._train[row], parents=(row, *judged)) for row in (a, b)]
            chosen, rejected = sides if told["margin"] > 0 else sides[::-1]
            pairs.append(Candidate(chosen, rejected, abs(told["margin"])))
        return Gathered(tuple(pairs), {**without, **_failings(comparisons.facts["judges"])})


def _told(rows: tuple[int, int], judgement: Judgement) -> dict[str, Any]:
    votes: dict[str, dict[str, str]] = {}
    for vote in judgement.votes:
        votes.setdefault(vote.principle, {})[vote.judge] = vote.value or vote.status
    margin = judgement.margin if judgement.chosen is not None else 0.0
    return {"rows": list(rows), "margin": margin, "soft": judgement.soft, "votes": votes}


def _failings(judges: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Votes that are missing, by judge: who goes by the place and not by the answer shows here."""
    return {
        f"votes of {name} {status}": count
        for name, told in judges.items()
        for status, count in told["votes"].items()
        if status not in ("a", "b", "equal")
    }


def _counts(usage: Mapping[str, Usage]) -> dict[str, Any]:
    each = list(usage.values())
    return {
        "replies": sum(one.asked + one.from_journal for one in each),
        "prompt_tokens": sum(one.prompt_tokens for one in each),
        "completion_tokens": sum(one.completion_tokens for one in each),
        "cost_usd": sum(one.whole_cost_usd for one in each),
    }
