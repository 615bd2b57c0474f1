"""How a student learnt, from the files that training leaves: every measured point, the pace of a step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inbond.ledger.manifest import Identity, Manifest
from inbond.recipes.learnt import curves, pace
from inbond.recipes.trail import Artifact
from inbond.recipes.training import CURVE, MEASURED


def trained(folder: Path, measured: dict[int, float], rates: tuple[float, ...] = (100.0,) * 4) -> Artifact:
    """Held-out KL at steps, in nats a token over 4 + 6 tokens of two records."""
    points = [
        {"step": step, "seconds": 1.0 * step, "loss": 5.0 - step, "lr": 0.1, "label_tokens_per_s": rate}
        for step, rate in enumerate(rates, start=1)
    ]
    found = [
        {"step": step, "found": {"kl": [4 * kl, 6 * kl], "agreed": [1, 2], "tokens": [4, 6]}}
        for step, kl in measured.items()
    ]
    (folder / CURVE).write_text(json.dumps(points))
    (folder / MEASURED).write_text(json.dumps(found))
    return Artifact("train", folder, Manifest(Identity("train", 1, {}, {}), {}), "made")


def test_every_measured_point_is_a_kl_a_token_at_its_step(tmp_path: Path) -> None:
    drawn = curves(trained(tmp_path, {0: 3.0, 2: 2.0, 4: 1.5}))
    assert [point.step for point in drawn] == [0, 1, 2, 3, 4]
    assert [point.held_out_kl for point in drawn] == pytest.approx([3.0, None, 2.0, None, 1.5])
    assert [point.loss for point in drawn] == [4.0, 4.0, 3.0, 2.0, 1.0]


def test_without_a_teacher_to_compare_with_there_are_steps_alone(tmp_path: Path) -> None:
    drawn = curves(trained(tmp_path, {}))
    assert [point.step for point in drawn] == [1, 2, 3, 4]
    assert all(point.held_out_kl is None for point in drawn)


def test_nothing_learnt_is_no_curve(tmp_path: Path) -> None:
    made = trained(tmp_path, {0: 3.0}, ())
    assert curves(made) == ()
    assert pace(made) is None


def test_the_pace_is_that_of_the_middle_step(tmp_path: Path) -> None:
    assert pace(trained(tmp_path, {}, (100.0, 1.0, 110.0, 120.0, 90.0))) == 100.0
