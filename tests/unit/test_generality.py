"""Generality: what counts as worse outside, what a student from scratch can show, the built-in prompts."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inbond.digest import canonical
from inbond.evaluate import agreement, generality
from inbond.evaluate.generality import Generality, Limits, built_in_prompts, decide
from inbond.evaluate.intervals import RecordSums
from inbond.evaluate.samples import greedy_sequences
from inbond.teachers.protocols import TokenSequence
from tests.tiny import make_model, make_tokenizer

GENERATOR = np.random.default_rng(0)
TOKENS = tuple(int(n) for n in GENERATOR.integers(5, 30, 40))
HARD = GENERATOR.lognormal(0, 0.4, 40)


def sums(mean: float, noise: float = 0.05, seed: int = 0, count: int = 40) -> RecordSums:
    """Records of about ``mean`` nats a token; how hard each is stays the same over calls."""
    factor = mean * HARD[:count] * np.random.default_rng(seed).lognormal(0, noise, count)
    kl = tuple(float(value) for value in factor * np.array(TOKENS[:count]))
    return RecordSums(kl, tuple(n // 2 for n in TOKENS[:count]), TOKENS[:count])


def measured(before: float, after: float, **changes: Any) -> Generality:
    facts: dict[str, Any] = {
        "before_outside": sums(before, seed=1), "after_outside": sums(after, seed=2),
        "before_inside": sums(3.0, seed=3), "after_inside": sums(1.0, seed=4),
        "start": "prune", "vocabulary": 49_152,
    }  # fmt: skip
    return Generality(**{**facts, **changes})


@pytest.mark.parametrize(
    ("before", "after", "outcome", "rule"),
    [
        (3.0, 2.0, "pass", "kept-outside"),
        (3.0, 4.0, "fail", "worse-outside"),
        (3.0, 3.0, "cannot-tell", "too-close"),
        (9.0, 2.0, "cannot-tell", "blank-before"),
        (9.0, 12.0, "fail", "worse-outside"),
        (1e-4, 2e-3, "pass", "follows"),
        (1e-9, 0.026, "pass", "follows"),
        (1e-9, 0.046, "cannot-tell", "too-close"),
        (1e-9, 0.09, "fail", "worse-outside"),
        (0.04, 0.09, "fail", "worse-outside"),
    ],
)
def test_what_happened_outside_decides(before: float, after: float, outcome: str, rule: str) -> None:
    verdict = decide(measured(before, after), Limits())
    assert verdict.outcome == outcome
    assert verdict.reasons[0].rule == f"generality.{rule}"


def test_the_numbers_stand_in_the_reasons() -> None:
    found = measured(3.0, 4.5)
    verdict = decide(found, Limits())
    first, gap, rates = (reason.finding for reason in verdict.reasons)
    assert (
        f"KL went from {found.before_outside.mean_kl:.3f} to {found.after_outside.mean_kl:.3f} nats" in first
    )
    assert "95% interval" in first
    assert "outside the student is farther from its teacher, KL outside / KL inside" in gap
    assert "a chance of about 2.5% at most" in rates


def test_a_student_that_starts_as_its_teacher_is_held_against_the_floor() -> None:
    """An adapter on the teacher itself begins at a KL of nothing: any ratio to that is huge."""
    followed = measured(0.0, 0.026, before_inside=sums(0.0, seed=3), after_inside=sums(0.02, seed=4))
    assert decide(followed, Limits()).outcome == "pass"
    said = " ".join(reason.finding for reason in decide(followed, Limits()).reasons)
    assert "at or below 0.05: the student follows its teacher there, however it began" in said
    assert "e+0" not in said
    worse = decide(measured(0.0, 0.3, before_inside=sums(0.0, seed=3)), Limits())
    finding = worse.reasons[0].finding
    assert worse.outcome == "fail"
    assert "what it was counts as 0.05, so at most 0.05 nats are allowed" in finding
    assert "e+0" not in " ".join(reason.finding for reason in worse.reasons)
    kept = followed.to_json()
    assert kept["change"] is kept["change_inside"] is kept["gap_before"] is None
    assert kept["gap"] is not None
    assert decide(followed, Limits(max_ratio=0.4)).outcome == "fail", "what is allowed is a multiple of it"
    assert decide(measured(0.0, 0.09), Limits(max_ratio=3)).outcome == "pass"


def test_a_student_from_scratch_is_judged_by_the_gap_or_not_at_all() -> None:
    found = measured(9.0, 2.0, start="scratch")
    undecided = decide(found, Limits())
    assert undecided.outcome == "cannot-tell"
    assert "starts from scratch" in undecided.reasons[0].finding
    assert "Set max_gap" in undecided.reasons[0].finding
    assert decide(found, Limits(max_gap=3.0)).outcome == "pass"
    assert decide(found, Limits(max_gap=1.2)).outcome == "fail"
    assert decide(found, Limits(max_gap=found.gap.value)).outcome == "cannot-tell"
    assert decide(measured(2.0, 4.0, start="scratch"), Limits(max_gap=9.0)).outcome == "fail"


def test_both_demands_must_be_met() -> None:
    found = measured(3.0, 2.0)
    assert decide(found, Limits(max_gap=3.0)).outcome == "pass"
    verdict = decide(found, Limits(max_gap=1.2))
    assert verdict.outcome == "fail"
    assert [reason.rule for reason in verdict.reasons[:2]] == ["generality.kept-outside", "generality.gap"]
    assert "about 5.0% at most" in verdict.reasons[-1].finding


def test_too_few_records_cannot_tell() -> None:
    few = {side: sums(2.0, count=7) for side in ("before_outside", "after_outside")}
    verdict = decide(measured(1, 1, **few), Limits())
    assert verdict.outcome == "cannot-tell"
    assert "There are 7 prompts outside and 40 inside" in verdict.reasons[0].finding
    assert measured(1, 1, **few).to_json()["change"] is None


def test_nothing_measured_cannot_tell() -> None:
    nothing = RecordSums((), (), ())
    silent = RecordSums((0.0,) * 2, (0,) * 2, (0,) * 2)
    for empty in (nothing, silent):
        found = measured(1, 1, before_outside=empty, after_outside=empty)
        assert decide(found, Limits(max_gap=2.0)).outcome == "cannot-tell"
        assert found.to_json()["after_outside"]["mean_kl"] is None


def test_pairing_sees_a_small_loss_among_very_different_prompts() -> None:
    """Records differ by a factor of two; training made each about 8% worse: paired, that is plain."""
    assert decide(measured(3.0, 3.24), Limits()).outcome == "fail"


@pytest.mark.slow
def test_on_the_limit_it_errs_about_as_seldom_as_it_says() -> None:
    """2.5% a side are promised; over many thousands of runs 2.2 to 3.7% were seen (docs/gates.md)."""
    generator, runs, worse, better = np.random.default_rng(3), 1000, 0, 0
    for _ in range(runs):
        common = generator.lognormal(0, 0.4, 32)
        before, after = (
            RecordSums(tuple(common * generator.lognormal(0, 0.2, 32) * 10), (0,) * 32, (10,) * 32)
            for _ in range(2)
        )
        low, high = measured(1, 1, before_outside=before, after_outside=after).change.interval()
        worse, better = worse + (low > 1), better + (high < 1)
    bound = 0.03 + 2 * math.sqrt(0.03 * 0.97 / runs)
    assert worse / runs <= bound
    assert better / runs <= bound


def test_areas_are_listed_worst_change_first() -> None:
    areas = ("code",) * 20 + ("facts",) * 20
    before, after = sums(2.0, noise=0), sums(2.0, noise=0)
    worse = replace(after, kl=tuple(kl * (1.5 if row < 20 else 0.5) for row, kl in enumerate(after.kl)))
    listed = measured(1, 1, before_outside=before, after_outside=worse, areas=areas).by_area()
    assert [entry["area"] for entry in listed] == ["code", "facts"]
    assert listed[0]["kl_after"] == pytest.approx(1.5 * listed[0]["kl_before"])
    assert sum(entry["records"] for entry in listed) == 40


def test_the_facts_are_digested_and_canonical() -> None:
    found = measured(3.0, 2.0)
    assert canonical(found.to_json())
    assert decide(found, Limits()) == decide(measured(3.0, 2.0), Limits())
    assert decide(found, Limits()).facts != decide(found, Limits(max_ratio=1.1)).facts
    assert decide(found, Limits()).decider == generality.DECIDER


def test_the_built_in_prompts_are_short_diverse_and_in_three_languages() -> None:
    listed = built_in_prompts()
    assert 40 <= len(listed) <= 50
    assert len({entry.prompt for entry in listed}) == len(listed)
    assert all(0 < len(entry.prompt) <= 160 for entry in listed)
    areas = Counter(entry.area for entry in listed)
    assert {"arithmetic", "facts", "code", "translation", "rewriting", "small talk", "reasoning"} <= set(
        areas
    )
    assert areas["Japanese"] >= 3
    assert areas["Spanish"] >= 3
    assert max(areas.values()) <= 6


def test_per_record_sums_are_in_the_order_given_and_add_up() -> None:
    tokenizer = make_tokenizer()
    teacher, student = make_model(len(tokenizer)), make_model(len(tokenizer), layers=2, seed=1)
    prompts = [tokenizer.encode(entry.prompt)[:40] for entry in built_in_prompts()]
    sequences = [TokenSequence(*pair) for pair in greedy_sequences(teacher, tokenizer, prompts, 8)]
    kept = {"vocabulary": len(tokenizer), "pad_id": 0}
    whole = agreement.measure(agreement.prepare(teacher, sequences, **kept), student)
    assert whole.records.tokens == tuple(sequence.labels for sequence in sequences)
    assert whole.records.mean_kl == pytest.approx(whole.kl)
    assert whole.records.agreement == pytest.approx(whole.agreement)
    for place in (0, 17, len(sequences) - 1):
        alone = agreement.measure(agreement.prepare(teacher, [sequences[place]], **kept), student)
        assert alone.records.kl[0] == pytest.approx(whole.records.kl[place], rel=1e-3, abs=1e-4)
        assert alone.records.agreed[0] == whole.records.agreed[place]
    itself = agreement.measure(agreement.prepare(teacher, sequences, **kept), teacher).records
    facts = Generality(whole.records, itself, whole.records, itself, "prune", len(tokenizer))
    assert decide(facts, Limits()).outcome == "pass"
