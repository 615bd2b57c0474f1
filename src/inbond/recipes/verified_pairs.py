"""Pairs from a verifier: of one prompt's samples, one that passed before one that failed.

The chosen one is a record that the run learns from anyway; the rejected one an answer that the verifier
refused and that the filters would let through. What the verifier could not decide makes no pair. Those whose
lengths are nearest to each other come first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, final

from inbond.digest import Digest
from inbond.engine import filters
from inbond.ledger.records import Row, read_rows
from inbond.recipes.preferring import Candidate, Gathered, Setting, Source
from inbond.recipes.trail import Artifact
from inbond.recipes.verifying import read_rulings

ALL_PASSED: Final = "prompts of which no answer failed"


def from_verdicts(setting: Setting) -> Source:
    """Passed answers before failed ones."""
    made = {artifact.stage: artifact for artifact in setting.trail.artifacts}
    assert "verify" in made, "a recipe with this source has the section"
    work = _Verified(setting, made["generate"], made["verify"])
    config = {"filters": work.config.to_json(), "pairs_a_prompt": setting.section.pairs_a_prompt}
    sets = {"train": setting.data.train, "answers": made["generate"], "verdicts": made["verify"]}
    return Source(config, sets, work.gather)


@final
class _Verified:
    """One run's verdicts."""

    def __init__(self, setting: Setting, answers: Artifact, verdicts: Artifact) -> None:
        self._setting, self._answers, self._verdicts = setting, answers, verdicts
        self.config = replace(setting.plan.filters, duplicates=False, near_duplicates=None)

    def gather(self) -> Gathered:
        """The pairs, and of how many prompts there is none."""
        train, answers = read_rows(self._setting.data.train.folder), read_rows(self._answers.folder)
        rulings = read_rulings(self._verdicts.folder)
        clean = set(filters.apply([filters.Candidate(row) for row in answers], self.config).rows)
        wrong: defaultdict[Digest, list[int]] = defaultdict(list)
        for number, (row, ruling) in enumerate(zip(answers, rulings, strict=True)):
            if ruling.outcome == "failed" and number in clean:
                wrong[row.record.prompt_id].append(number)
        right: defaultdict[Digest, list[int]] = defaultdict(list)
        for number, row in enumerate(train):
            if not row.origin.own:
                right[row.record.prompt_id].append(number)
        without = Counter({ALL_PASSED: sum(not wrong[prompt] for prompt in right)})
        pairs = []
        for a, b in _both(train, answers, right, wrong, self._setting.section.pairs_a_prompt):
            refused = (len(train) + b, len(train) + len(answers) + b)
            pairs.append(Candidate(replace(train[a], parents=(a,)), replace(answers[b], parents=refused)))
        return Gathered(tuple(pairs), {reason: count for reason, count in without.items() if count})


def _both(
    train: Sequence[Row],
    answers: Sequence[Row],
    right: Mapping[Digest, Sequence[int]],
    wrong: Mapping[Digest, Sequence[int]],
    most: int,
) -> Iterator[tuple[int, int]]:
    """Rows of ``train`` and of ``answers``, at most ``most`` pairs a prompt."""
    for prompt, passed in right.items():
        found = sorted(
            (abs(len(train[a].record.completion) - len(answers[b].record.completion)), a, b)
            for a in passed
            for b in wrong.get(prompt, ())
        )
        yield from ((a, b) for _, a, b in islice(found, most))
