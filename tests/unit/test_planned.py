"""What is found wrong with a plan before a teacher is asked: by looking into the models' folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError, MissingExtraError
from inbond.recipes import planned
from inbond.recipes.models import TeacherSource
from inbond.recipes.objective import text_alone
from inbond.recipes.planned import Planned
from inbond.recipes.reading import parse
from inbond.recipes.sections.train import Train
from inbond.teachers.opening import Weights
from inbond.types import DIVERGENCES, parse_model_name
from tests.tiny import save_tiny

API = "api:127.0.0.1:1/m"


def plan(folder: Path, *, base: Path | None = None, **changes: Any) -> Planned:
    """Of a teacher in ``folder``; behind an API when it starts from ``base``."""
    start = {"init": "model", "base": f"path:{base}"} if base else {"init": "scratch"}
    teacher = API if base else f"path:{folder}"
    values = {"name": "tiny", "teacher": teacher, "prompts": {"items": ["a"]}, "student": start, **changes}
    recipe, name = parse(values, "test"), parse_model_name(teacher)
    weights = None if base else Weights(teacher, "folder", folder, "sha256:00")
    source = TeacherSource(name, "local", name.channel, weights, {})
    return Planned(recipe, source, Weights(f"path:{base}", "folder", base, "sha256:01") if base else None)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


def refused(made: Planned) -> InputError:
    with pytest.raises(InputError) as caught:
        made.check_models()
    return caught.value


@pytest.mark.parametrize("behind_an_api", [False, True])
def test_an_adapted_layer_that_is_not_there_is_found_without_weights(
    tiny: Path, tmp_path: Path, behind_an_api: bool
) -> None:
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    base = tmp_path if behind_an_api else None
    error = refused(plan(tmp_path, base=base, train={"lora": {"targets": ["q_proj", "qkv"]}}))
    assert error.found == "train.lora.targets with 'qkv'"
    assert "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in error.expected
    assert error.fix == "correct train.lora.targets, or leave it out to adapt all of them"


@pytest.mark.parametrize("targets", [[], ["q_proj", "down_proj"]])
def test_adapted_layers_that_are_there_are_let_through(tiny: Path, targets: list[str]) -> None:
    plan(tiny, train={"lora": {"targets": targets}}).check_models()
    plan(tiny, base=tiny, train={"lora": {"targets": targets}}).check_models()


def test_a_model_that_cannot_be_made_is_left_to_its_loading(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "of tomorrow"}')
    plan(tmp_path, train={"lora": {}}).check_models()


def test_the_package_for_adapters_is_missed_early(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"the package 'peft'.*pip install 'inbond\[train\]'"):
        plan(tiny, train={"lora": {}}).check_models()
    plan(tiny).check_models()


@pytest.mark.parametrize(
    ("capture", "train", "found"),
    [
        ({"targets": "top-k", "k": 101}, {}, "k = 101"),
        ({"targets": "top-k", "k": 100}, {}, None),
        ({"targets": "sampled", "k": 101, "draws": 100}, {}, None),
        ({"targets": "sampled", "k": 1, "draws": 101}, {}, "draws = 101"),
        ({"targets": "online", "k": 101, "draws": 101}, {}, None),
        ({"targets": "top-k", "k": 101}, {"kl": 0, "ce": 1}, None),
    ],
)
def test_no_more_is_kept_of_a_token_than_there_is(
    tmp_path: Path, capture: dict[str, Any], train: dict[str, Any], found: str | None
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 100}))
    made = plan(tmp_path, capture=capture, train=train)
    if found is None:
        made.check_models()
        return
    error = refused(made)
    name = found.split()[0]
    assert error.found == found
    assert error.expected == f"{name} from 1 to 100, the teacher's vocabulary"
    assert error.fix == f"set capture.{name} lower"


@given(st.dictionaries(st.sampled_from([*DIVERGENCES, "ce"]), st.sampled_from([0.0, 0.5, 1.0]), min_size=1))
def test_the_words_for_text_alone_lead_there(weights: dict[str, float]) -> None:
    given_ = {"kl": 0.0, **weights}
    if not any(given_.values()):
        given_["kl"] = 1.0
    said = dict(part.removeprefix("train.").split("=") for part in text_alone(Train(**given_)).split())
    after = Train(**{**given_, **{name: float(value) for name, value in said.items()}})
    assert after.divergence == 0
    assert after.ce > 0
    assert after.ce == given_.get("ce", 0) or "ce" in said
    assert all(given_[name] for name in said if name != "ce"), "nothing is named that was not set"
