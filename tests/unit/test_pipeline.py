"""Pipelines as values: what is shared, what is changed, what a stage may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.recipes.pipeline import Pipeline, check_references, load, parse, references
from inbond.recipes.reading import BUILT_IN
from inbond.recipes.reading import parse as parse_recipe
from inbond.workspace import Workspace

A: dict[str, Any] = {"name": "a", "prompts": {"items": ["x"]}}
B: dict[str, Any] = {"name": "b", "prompts": {"run": "a"}, "train": {"epochs": 5}}


def pipeline(*stages: dict[str, Any], changes: tuple[str, ...] = (), **shared: Any) -> Pipeline:
    values = {"name": "p", "teacher": "path:t", **shared, "stages": list(stages)}
    return parse(values, "a test", changes)


def test_what_stands_at_the_top_is_every_stages_unless_it_says_otherwise() -> None:
    found = pipeline(A, B, train={"epochs": 3, "lr": 0.1}, purpose={"use": "research"})
    first, second = found.stages
    assert (first.train.epochs, first.train.lr) == (3, 0.1)
    assert (second.train.epochs, second.train.lr) == (5, 0.1)
    assert {stage.purpose.use for stage in found.stages} == {"research"}
    assert {stage.teacher for stage in found.stages} == {"path:t"}


def test_a_stage_alone_is_the_recipe_that_it_would_be() -> None:
    assert pipeline(A).stages == (parse_recipe({**A, "teacher": "path:t"}, "a test"),)


def test_a_change_goes_to_every_stage_or_to_one() -> None:
    found = pipeline(A, B, changes=("train.epochs=7", "b/train.lr=0.5"))
    assert [stage.train.epochs for stage in found.stages] == [7, 7]
    assert [stage.train.lr for stage in found.stages] == [5e-4, 0.5]


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4, unique=True))
def test_a_change_of_one_stage_leaves_the_others_as_they_were(names: list[str]) -> None:
    stages = [{"name": name, "prompts": {"items": ["x"]}} for name in names]
    before = pipeline(*stages, train={"epochs": 2}).stages
    after = pipeline(*stages, train={"epochs": 2}, changes=(f"{names[-1]}/train.epochs=9",)).stages
    assert after[:-1] == before[:-1]
    assert after[-1].train.epochs == 9


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"stages": []}, "[]"),
        ({"stages": {"a": 1}}, "{'a': 1}"),
        ({"stages": [A, A]}, "'a' twice"),
        ({"stages": [{**A, "name": "p"}]}, "'p' twice"),
        ({"stages": [A, {**B, "colour": 1}]}, "colour = 1"),
        ({"stages": [{"prompts": {"items": ["x"]}}]}, "nothing"),
        ({"stages": [A], "name": None}, "name = None"),
        ({"stages": [A], "name": "../x"}, "name = '../x'"),
    ],
)
def test_what_is_no_pipeline_is_refused(values: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse({"name": "p", "teacher": "path:t", **values}, "a test")
    assert found in caught.value.found


def test_the_stage_is_named_when_a_field_is_wrong() -> None:
    with pytest.raises(InputError, match="the stage b of a test"):
        pipeline(A, {**B, "train": {"epochs": 0}})


def test_a_change_of_no_stage_is_refused() -> None:
    with pytest.raises(InputError, match="a stage of the pipeline: a, b") as caught:
        pipeline(A, B, changes=("c/train.lr=1",))
    assert "'c'" in caught.value.found


def test_all_that_a_recipe_can_name_is_found() -> None:
    values = {
        "name": "x", "teacher": "run:t", "prompts": {"run": "p"}, "own_data": [{"file": "f"}, {"run": "o"}],
        "student": {"init": "model", "base": "run:b"},
        "capture": {"targets": "remote", "reference": "run:r"},
    }  # fmt: skip
    assert {(each.run, each.field) for each in references(parse_recipe(values, "a test"))} == {
        ("t", "teacher"), ("b", "student.base"), ("r", "capture.reference"), ("p", "prompts.run"),
        ("o", "own_data.1.run"),
    }  # fmt: skip


@pytest.mark.parametrize("field", ["teacher", "prompts", "own_data", "base"])
@pytest.mark.parametrize(("named", "found"), [("b", "itself"), ("c", "a later stage"), ("z", "is no stage")])
def test_only_earlier_stages_can_be_named(tmp_path: Path, field: str, named: str, found: str) -> None:
    change: dict[str, Any] = {
        "teacher": {"teacher": f"run:{named}"},
        "prompts": {"prompts": {"run": named}},
        "own_data": {"own_data": [{"run": named}]},
        "base": {"student": {"init": "model", "base": f"run:{named}"}},
    }[field]
    made = pipeline(A, {**A, "name": "b", **change}, {**A, "name": "c"})
    with pytest.raises(InputError) as caught:
        check_references(made, Workspace(tmp_path))
    assert found in caught.value.found
    assert "of the stage b" in caught.value.expected


def test_earlier_stages_can_be_named(tmp_path: Path) -> None:
    check_references(pipeline(A, B, {**A, "name": "c", "teacher": "run:b"}), Workspace(tmp_path))


def test_a_file_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump({"name": "p", "teacher": "path:t", "stages": [A, B]}))
    found, folder = load(str(path), ("a/train.lr=0.25",))
    assert isinstance(found, Pipeline)
    assert found.stages[0].train.lr == 0.25
    assert folder == tmp_path


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_recipe_can_be_read(name: str) -> None:
    found, folder = load(name)
    for stage in found.stages if isinstance(found, Pipeline) else (found,):
        assert stage.prompts.file is None or (folder / stage.prompts.file).exists()
