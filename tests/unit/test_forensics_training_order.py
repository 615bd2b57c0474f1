"""Training order: even p-values for whoever had nothing of a run, small ones for its students."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inbond.errors import InputError
from inbond.forensics.exact import log10_fisher
from inbond.forensics.shown import Subject
from inbond.forensics.training_order import Order, apart_from_length, judge, of
from inbond.losses.batches import epoch_batches
from inbond.train.loop import Plan, learning_rate
from tests.forensics_even import check_even
from tests.forensics_tiny import PLAN, base, encode, memorable, shown, trained

RECORDS = Subject("records", "run x")


def order_of(lengths: list[int], plan: Plan) -> Order:
    epochs = [epoch_batches(lengths, plan.batch, plan.seed, epoch) for epoch in range(plan.epochs)]
    steps = sum(-(-len(each) // plan.accumulate) for each in epochs)
    rates = tuple(learning_rate(step, steps, plan) for step in range(steps))
    return Order(
        RECORDS, tuple(tuple(map(tuple, each)) for each in epochs), tuple(lengths), rates, plan.accumulate
    )


@pytest.mark.parametrize(("epochs", "accumulate"), [(1, 1), (2, 3)])
def test_p_values_are_even_over_seeds_whatever_length_does(epochs: int, accumulate: int) -> None:
    """One suspect, many runs: only the seeds differ. How likely it finds a text depends on its length, by
    which batches are made."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(5, 40, size=150).tolist()
    values = np.array(lengths) / 10 + draw.normal(size=150)
    plan = replace(PLAN, batch=3, epochs=epochs, accumulate=accumulate)
    ps = [
        judge(order_of(lengths, replace(plan, seed=seed)), values, shuffles=399, seed=seed).p or 0.0
        for seed in range(300)
    ]
    check_even(ps)


def test_what_a_run_would_leave_is_found_at_any_speed() -> None:
    draw = np.random.default_rng(1)
    lengths = draw.integers(5, 40, size=1200).tolist()
    order = order_of(lengths, replace(PLAN, batch=2))
    for speed in (0.0, 32.0):
        left = order.traces(speed)[0]
        values = np.empty(1200)
        for trace, batch in zip(left / left.std(), order.epochs[0], strict=True):
            values[list(batch)] = 0.6 * trace + draw.normal(size=len(batch))
        found = judge(order, values)
        assert found.outcome() == "consistent-with"
        assert found.statistic["speed"] == speed
        assert found.words() == "consistent with: the suspect descends from the run that learnt run x"


def test_the_effect_it_names_is_seen_nine_times_in_ten() -> None:
    """A correlation of .3 with as many batches as ``needed`` says."""
    draw = np.random.default_rng(2)
    count = judge(order_of([9] * 8, PLAN), draw.normal(size=8), shuffles=9).needed
    assert count == 382
    order = order_of([9] * count, replace(PLAN, batch=1))
    left = order.traces(8.0)[0]
    found = []
    for _ in range(10):
        values = np.empty(count)
        for trace, (record,) in zip(left / left.std(), order.epochs[0], strict=True):
            values[record] = 0.3 * trace + np.sqrt(1 - 0.09) * draw.normal()
        found.append(judge(order, values, shuffles=4999).p)
    assert np.mean(np.array(found) < 1e-3) >= 0.9, "far below what 5,000 shuffles can tell"


def test_few_batches_cannot_tell_and_say_how_many_could() -> None:
    found = judge(order_of([9] * 30, PLAN), np.arange(30.0), shuffles=99)
    assert found.words() == (
        "cannot tell: 8 batches are too few: 382 batches would be needed to see a correlation of 0.3 of "
        "what a batch should have left with how likely it is"
    )
    assert found.to_json()["about"] == {"kind": "records", "name": "run x"}


def test_one_record_and_ties_are_no_evidence() -> None:
    assert judge(order_of([9], PLAN), np.array([1.0]), shuffles=99).p == pytest.approx(1)
    assert judge(order_of([9] * 40, PLAN), np.ones(40), shuffles=99).p == pytest.approx(1)


def test_what_is_no_number_or_missing_is_an_error() -> None:
    order = order_of([9] * 8, PLAN)
    with pytest.raises(InputError, match="found NaN or infinity in text 1"):
        judge(order, np.array([1.0] * 7 + [np.nan]))
    with pytest.raises(
        InputError, match="expected a number for each record of run x, one at least; found 7 for 8"
    ):
        judge(order, np.ones(7))


def test_length_is_taken_off_in_order_of_length_alone() -> None:
    lengths = np.random.default_rng(0).permutation(1000).tolist()
    values = np.array(lengths, float) ** 2
    assert apart_from_length(values, lengths).var() < 0.001 * values.var()


@pytest.mark.slow
def test_a_run_finds_its_own_student_and_no_other() -> None:
    """Three small runs together: one alone has too few batches. The students of the same records in another
    order, and the models that they began as, are strangers."""
    begun, own, strange = base(memorable), list[float](), list[float]()
    for seed in (1, 2, 3):
        learnt, plan = memorable(250, seed), replace(PLAN, batch=2, lr=1e-3, seed=seed)
        order = order_of([len(one.ids) for one in encode(learnt)], plan)
        reference = shown("base", begun, learnt)
        suspects = [trained(begun, learnt, plan), trained(begun, learnt, replace(plan, seed=seed + 10))]
        found = [of(order, shown("suspect", model, learnt), reference, shuffles=9999) for model in suspects]
        found.append(of(order, reference, shuffles=9999))
        logs = [one.log10_p or 0.0 for one in found]
        own, strange = [*own, logs[0]], [*strange, *logs[1:]]
    assert log10_fisher(own) < -3
    assert log10_fisher(strange) > -2
