"""Distillation degree: gains with intervals that hold, beside a control, stage by stage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inbond.errors import InputError
from inbond.forensics.degree import Texts, gain_above, gain_of, judge, of, units_of
from inbond.forensics.exact import upper_tail
from inbond.forensics.shown import Subject, a_byte
from tests.forensics_tiny import PLAN, base, memorable, records, shown, trained

TEACHER = Subject("model", "teacher", "sha256:0")


def texts(count: int) -> Texts:
    return Texts(TEACHER, tuple(range(count)), (10,) * count)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    draw, held, above = np.random.default_rng(0), 0, 0
    for seed in range(200):
        mine, other = draw.normal(0.3, 1, 40), draw.normal(0.1, 1, 40)
        one, two = gain_of(mine, seed=seed), gain_above(mine, other, seed=seed)
        held += one.low <= 0.3 <= one.high
        above += two.low <= 0.2 <= two.high
    for count in (held, above):
        assert upper_tail(200 - count, 200, 0.06) > 1e-3


def test_records_of_one_prompt_count_once() -> None:
    same = judge({"s": (np.array([1.0, 3.0, 5.0]), None)}, replace(texts(3), units=(0, 0, 1)), None)
    assert (same.size, same.statistic["gain"]) == (2, 3.5)
    assert units_of(["a", "b", "a"]) == (0, 1, 0)


def test_one_text_has_a_point_for_an_interval_and_none_is_an_error() -> None:
    one = judge({"s": (np.array([1.0]), None)}, texts(1), None)
    assert one.statistic == {"gain": 1.0, "gain, low": 1.0, "gain, high": 1.0}
    assert one.limits[-1] == "without control text nothing is above it"
    with pytest.raises(InputError, match="found 1 students and 0 texts"):
        judge({"s": (np.array([]), None)}, texts(0), None)


def test_nats_a_byte() -> None:
    assert a_byte([np.array([-1.0, -3.0]), np.array([-1.0])], [8, 2]).tolist() == [-0.5, -0.5]
    with pytest.raises(AssertionError, match="no empty texts"):
        a_byte([np.array([-1.0])], [0])


def test_a_student_is_nearer_to_its_teacher_than_to_other_text_stage_by_stage() -> None:
    begun = base()
    first = trained(begun, memorable(80, 1), PLAN)
    second = trained(first, memorable(80, 2), PLAN)
    theirs, other = memorable(60, 3), records(60, 3)
    sizes = [tuple(len(record.completion) for record in found) for found in (theirs, other)]
    models = {"first": first, "second": second}
    found = of(
        {name: shown(name, model, theirs) for name, model in models.items()},
        shown("base", begun, theirs),
        Texts(TEACHER, tuple(range(60)), sizes[0]),
        (
            Texts(Subject("records", "other"), tuple(range(60)), sizes[1]),
            {name: shown(name, model, other) for name, model in models.items()},
            shown("base", begun, other),
        ),
    )
    assert found.statistic["above control, low"] > 0
    assert found.log10_p is None
    one, two = found.facts["stages"]
    assert two["added"]["mean"] == pytest.approx(two["gain"]["mean"] - one["gain"]["mean"])
    assert found.words() == (
        "a score, which alone decides nothing: the suspect finds text of teacher likelier than its reference "
        "does"
    )
    alone = of(
        {"base": shown("base", begun, theirs)},
        shown("base", begun, theirs),
        Texts(TEACHER, tuple(range(60)), sizes[0]),
    )
    assert alone.statistic["gain"] == 0
