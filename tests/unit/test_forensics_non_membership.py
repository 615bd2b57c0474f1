"""Non-membership: says so of strangers where there are records enough, and never of who learnt them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inbond.digest import of_value
from inbond.errors import InputError
from inbond.forensics.dataset_inference import Sides
from inbond.forensics.non_membership import judge, of
from inbond.forensics.reading import Reader
from inbond.forensics.shown import Shown, Subject
from tests.forensics_even import check_even
from tests.forensics_tiny import PLAN, TOKENIZER, base, memorable, shown, trained

RECORDS = Subject("records", "run x")


def pair(draw: np.random.Generator, count: int, effect: float) -> tuple[np.ndarray, np.ndarray]:
    return draw.normal(effect, 1, count), draw.normal(0, 1, count)


def test_at_the_edge_of_its_null_p_values_are_even() -> None:
    """The suspect learnt by exactly as much as is supposed; the second number speaks clearly against it."""
    draw = np.random.default_rng(0)
    ps = [
        judge(pair(draw, 40, 0.5), pair(draw, 40, -9), RECORDS, least=0.5, shuffles=399, seed=seed).p or 0.0
        for seed in range(300)
    ]
    check_even(ps)


def test_who_learnt_is_hardly_ever_cleared_though_one_number_be_silent() -> None:
    draw = np.random.default_rng(1)
    ps = [
        judge(pair(draw, 40, 0.5), pair(draw, 40, 0.0), RECORDS, least=0.5, shuffles=399, seed=seed).p or 0.0
        for seed in range(300)
    ]
    check_even(ps, exact=False)


def test_who_did_not_learn_is_cleared_where_there_is_enough() -> None:
    draw = np.random.default_rng(2)
    few = judge(pair(draw, 50, 0), pair(draw, 50, 0), RECORDS)
    assert few.needed == 3493
    assert few.words() == (
        "cannot tell: 100 groups of records are too few: 3,493 groups of records would be needed to see that "
        "what learning leaves stays below 0.2 standard deviations"
    )
    enough = judge(pair(draw, 4000, 0), pair(draw, 4000, 0), RECORDS, shuffles=999)
    assert enough.outcome() == "consistent-with"
    assert enough.words() == (
        "consistent with: the suspect did not learn run x, not by 0.2 standard deviations or more"
    )
    assert enough.to_json()["about"] == {"kind": "records", "name": "run x", "absent": "yes"}
    learnt = judge(pair(draw, 2500, 0.3), pair(draw, 2500, 0.0), RECORDS, shuffles=999)
    assert learnt.outcome() == "no-evidence"


def test_numbers_that_are_all_the_same_clear_nobody() -> None:
    ones = np.ones(50), np.ones(50)
    assert judge(ones, ones, RECORDS, shuffles=99).p == pytest.approx(1)


@pytest.fixture(scope="module")
def scene() -> dict[str, Any]:
    every, begun = memorable(320, 1), base(memorable)
    held = np.zeros(320, bool)
    held[np.random.default_rng(0).permutation(320)[:160]] = True
    members = [record for record, out in zip(every, held, strict=True) if not out]
    return {
        "records": every,
        "members": members,
        "sides": Sides(RECORDS, tuple(range(320)), tuple(held.tolist())),
        "base": begun,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("epochs", "lr"), [(1, 1e-3), (1, 3e-3), (4, 3e-3)])
@pytest.mark.parametrize("least", [0.2, 0.5])
def test_no_known_member_is_contradicted(scene: dict[str, Any], epochs: int, lr: float, least: float) -> None:
    member = trained(scene["base"], scene["members"], replace(PLAN, epochs=epochs, lr=lr))
    reference = shown("base", scene["base"], scene["records"])
    found = of(
        scene["sides"], shown("member", member, scene["records"]), reference, least=least, shuffles=9999
    )
    assert found.outcome() != "consistent-with"


@pytest.mark.slow
def test_a_student_of_other_records_of_the_source_is_cleared(scene: dict[str, Any]) -> None:
    stranger = trained(scene["base"], memorable(160, 2), replace(PLAN, epochs=2))
    found = of(
        scene["sides"],
        shown("stranger", stranger, scene["records"]),
        shown("base", scene["base"], scene["records"]),
        least=0.8,
        shuffles=9999,
    )
    assert found.p is not None
    assert found.p < 1e-3
    assert all(abs(effect) < 0.4 for effect in found.statistic.values())


def test_another_vocabulary_cannot_be_compared(scene: dict[str, Any]) -> None:
    mine = shown("member", scene["base"], scene["records"])
    other = Reader("other", of_value(1), of_value("another vocabulary"), scene["base"], TOKENIZER, 0)
    with pytest.raises(InputError, match="expected a reference with the vocabulary of member"):
        of(scene["sides"], mine, Shown(other, mine.sequences))
