"""Dataset inference: even p-values where a lot parted the records, small ones for who learnt one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inbond.errors import InputError
from inbond.forensics.dataset_inference import Sides, judge, of
from inbond.forensics.shown import Subject, by_text
from tests.forensics_even import check_even
from tests.forensics_tiny import PLAN, base, memorable, shown, trained

RECORDS = Subject("records", "run x", "sha256:0")


def sides(units: list[int], out: list[bool]) -> Sides:
    return Sides(RECORDS, tuple(units), tuple(out))


def test_p_values_are_even_under_the_lot_however_groups_are_sized() -> None:
    """Records of one group are alike; were records permuted, p-values would be far too small."""
    draw, ps = np.random.default_rng(0), []
    for seed in range(300):
        units = np.repeat(np.arange(30), draw.integers(1, 9, size=30))
        out = np.zeros(30, bool)
        out[draw.permutation(30)[:8]] = True
        values = draw.normal(size=30)[units] + 0.1 * draw.normal(size=len(units))
        mine, theirs = sides(units.tolist(), out[units].tolist()).split(values)
        assert (len(mine), len(theirs)) == (22, 8)
        ps.append(judge({"mean": mine}, {"mean": theirs}, RECORDS, shuffles=399, seed=seed).p or 0.0)
    check_even(ps)


def test_several_statistics_pay_for_their_number() -> None:
    draw = np.random.default_rng(1)
    ps = []
    for seed in range(300):
        numbers = [draw.normal(size=12) for _ in range(6)]
        members = {f"{i}": one[:6] for i, one in enumerate(numbers)}
        others = {f"{i}": one[6:] for i, one in enumerate(numbers)}
        ps.append(judge(members, others, RECORDS, shuffles=399, seed=seed).p or 0.0)
    check_even(ps, (0.06, 0.2), exact=False)


def test_the_effect_it_names_is_seen_nine_times_in_ten() -> None:
    draw = np.random.default_rng(2)
    count = judge({"mean": np.ones(1)}, {"mean": np.zeros(1)}, RECORDS, shuffles=9).needed
    assert count == 493
    found = [
        judge(
            {"mean": draw.normal(0.5, 1, count // 2)}, {"mean": draw.normal(0, 1, count // 2)}, RECORDS,
            shuffles=20_000, seed=seed,
        ).p
        for seed in range(20)
    ]  # fmt: skip
    assert np.mean(np.array(found) < 1e-4) >= 0.9


def test_sides_that_cannot_be_told_apart_are_an_error() -> None:
    with pytest.raises(InputError, match="found 2 groups learnt and 0 held out"):
        sides([0, 1], [False, False]).split(np.ones(2))
    with pytest.raises(InputError, match="found 0 groups learnt and 0 held out"):
        sides([], []).split(np.ones(0))
    with pytest.raises(AssertionError, match="a unit is on one side"):
        sides([0, 0, 1], [False, True, True]).split(np.ones(3))


def test_one_of_each_cannot_tell() -> None:
    found = judge({"mean": np.ones(1)}, {"mean": np.zeros(1)}, RECORDS, shuffles=999)
    assert found.p == pytest.approx(0.5, abs=0.1)
    assert found.words().startswith(
        "cannot tell: 2 groups of records are too few: 493 groups of records would"
    )
    same = judge({"mean": np.ones(9)}, {"mean": np.ones(4)}, RECORDS, shuffles=999)
    assert same.p == pytest.approx(1)


def test_the_least_likely_tokens() -> None:
    logps = [-np.arange(10.0), np.array([-3.0])]
    assert by_text(logps, "least").tolist() == [-8.5, -3.0]
    assert by_text(logps).tolist() == [-4.5, -3.0]


@pytest.mark.slow
def test_who_learnt_one_side_is_found_and_who_learnt_neither_or_both_is_not() -> None:
    every, begun = memorable(240, 1), base(memorable)
    out = np.zeros(240, bool)
    out[np.random.default_rng(0).permutation(240)[:80]] = True
    parted = sides(list(range(240)), out.tolist())
    members = [record for record, held in zip(every, out, strict=True) if not held]
    plan = replace(PLAN, epochs=4)
    own, both = trained(begun, members, plan), trained(begun, every, plan)
    reference = shown("base", begun, every)
    found = of(parted, shown("own", own, every), reference)
    assert found.outcome() == "consistent-with"
    assert found.words() == "consistent with: the suspect was trained on run x"
    assert found.to_json()["about"] == {"kind": "records", "name": "run x", "id": "sha256:0"}
    for stranger in (both, begun):
        judged = of(parted, shown("stranger", stranger, every), by=("mean", "least"), shuffles=9999)
        assert judged.p is not None
        assert judged.p > 0.01
