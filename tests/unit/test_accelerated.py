"""Which of accelerate's configurations are taken, and what a crew is told and says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import DeniedError, InputError
from inbond.recipes import accelerated, crew
from inbond.recipes.accelerated import Accelerated, check, parse, read
from inbond.recipes.crew_task import plain
from inbond.recipes.reading import load
from inbond.recipes.reading import parse as parse_recipe
from inbond.workspace import write_json

# As accelerate 1.15 writes them after its questions.
WRITTEN = """
compute_environment: LOCAL_MACHINE
debug: false
distributed_type: FSDP
downcast_bf16: 'no'
enable_cpu_affinity: false
fsdp_config:
  fsdp_activation_checkpointing: false
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_cpu_ram_efficient_loading: true
  fsdp_offload_params: false
  fsdp_reshard_after_forward: false
  fsdp_state_dict_type: SHARDED_STATE_DICT
  fsdp_version: 2
machine_rank: 0
main_training_function: main
mixed_precision: 'no'
num_machines: 1
num_processes: 4
rdzv_backend: static
same_network: true
tpu_env: []
tpu_use_cluster: false
tpu_use_sudo: false
use_cpu: false
"""
FSDP: dict[str, Any] = yaml.safe_load(WRITTEN)
COPIES: dict[str, Any] = {"distributed_type": "MULTI_GPU", "num_processes": 2, "gpu_ids": "1,3"}


def test_what_accelerate_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "fsdp.yaml").write_text(WRITTEN, "utf-8")
    assert read(tmp_path / "fsdp.yaml") == Accelerated(4, sharded=True, again=False)
    assert parse(COPIES, "x") == Accelerated(2, gpus="1,3")
    assert parse({**COPIES, "use_cpu": True}, "x") == Accelerated(2, on_cpu=True)
    assert parse({**FSDP, "num_processes": 1}, "x") == Accelerated(1, again=False), "nothing to share out"
    assert parse({"distributed_type": "NO"}, "x") == Accelerated(1)


def test_accelerates_own_class_takes_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    from accelerate.commands.config.config_args import ClusterConfig

    (tmp_path / "fsdp.yaml").write_text(WRITTEN, "utf-8")
    theirs = ClusterConfig.from_yaml_file(str(tmp_path / "fsdp.yaml"))
    known = {*accelerated._ONLY, *accelerated._EMPTY, *accelerated._PASSED, *accelerated._READ}
    assert set(theirs.to_dict()) <= known
    assert set(ClusterConfig.__dataclass_fields__) <= known, (
        "every field of theirs is read, passed or refused"
    )


@pytest.mark.parametrize(
    ("change", "expected", "found"),
    [
        ({"distributed_type": "DEEPSPEED"}, "one of NO, MULTI_CPU, MULTI_GPU, FSDP", "DEEPSPEED"),
        ({"distributed_type": "XLA"}, "one of NO", "distributed_type: XLA"),
        ({"distributed_type": None}, "one of NO", "no distributed_type"),
        ({"mixed_precision": "bf16"}, "mixed_precision: 'no', since", "mixed_precision: bf16"),
        ({"num_machines": 2}, "num_machines: 1", "num_machines: 2"),
        ({"compute_environment": "AMAZON_SAGEMAKER"}, "LOCAL_MACHINE", "AMAZON_SAGEMAKER"),
        ({"num_processes": 0}, "1 or more", "num_processes: 0"),
        ({"num_processes": True}, "1 or more", "num_processes: True"),
        ({"num_processes": None}, "1 or more", "num_processes: None"),
        ({"distributed_type": "NO"}, "num_processes: 1, with", "num_processes: 4"),
        ({"deepspeed_config": {"zero_stage": 3}}, "no deepspeed_config", "zero_stage"),
        ({"dynamo_config": {"dynamo_backend": "INDUCTOR"}}, "no compilation", "INDUCTOR"),
        ({"use_cpu": "maybe"}, "use_cpu: true or false", "use_cpu: maybe"),
        ({"num_procesess": 2}, "fields that accelerate config writes", "num_procesess"),
        ({"fsdp_config": None}, "fsdp_version: 2", "none"),
        ({"fsdp_config": {}}, "fsdp_version: 2", "fsdp_version: 1"),
        ({"fsdp_config": {"fsdp_version": 1}}, "fsdp_version: 2", "fsdp_version: 1"),
        ({"fsdp_config": {"fsdp_version": 2, "fsdp_offload_params": True}}, "params: false", "true"),
        ({"fsdp_config": {"fsdp_version": 2, "fsdp_auto_wrap_policy": "NO_WRAP"}}, "TRANSFORMER", "NO_WRAP"),
        ({"fsdp_config": {"fsdp_version": 2, "fsdp_sharding": 1}}, "fields of FSDP 2", "fsdp_sharding"),
        ({"fsdp_config": {"fsdp_version": 2, "fsdp_reshard_after_forward": "FULL"}}, "true or false", "FULL"),
    ],
)  # fmt: skip
def test_what_is_not_done_is_refused_by_name(change: dict[str, Any], expected: str, found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse({**FSDP, **change}, "fsdp.yaml")
    assert expected in caught.value.expected
    assert found in caught.value.found
    assert "fsdp.yaml" in caught.value.found
    assert "run without --accelerate" in caught.value.fix


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ),
    st.sampled_from(sorted({*FSDP, *accelerated._EMPTY, "gpu_ids", "other"})),
)
def test_any_value_is_taken_or_refused(value: Any, field: str) -> None:
    try:
        how = parse({**FSDP, field: value}, "x")
    except InputError:
        return
    assert how.processes >= 1
    assert how.sharded == (how.processes > 1)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make one: accelerate config"):
        read(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("[1]", "utf-8")
    with pytest.raises(InputError, match="list in .*list.yaml"):
        read(tmp_path / "list.yaml")


def test_a_part_of_a_student_answers_nothing() -> None:
    recipe, _ = load("on-policy")
    check(None, recipe)
    check(Accelerated(2), recipe)
    with pytest.raises(InputError, match="on_policy has it answer prompts; found distributed_type: FSDP"):
        check(Accelerated(2, sharded=True), recipe)


def test_each_process_is_told_its_place_and_its_share_of_the_cores() -> None:
    mine = {"HOME": "h", "ACCELERATE_MIXED_PRECISION": "bf16", "FSDP_VERSION": "1"}
    found = crew.environment(1, Accelerated(2, on_cpu=True), mine)
    assert (found["RANK"], found["LOCAL_RANK"], found["WORLD_SIZE"], found["HOME"]) == ("1", "1", "2", "h")
    assert (found["ACCELERATE_USE_CPU"], found["CUDA_VISIBLE_DEVICES"]) == ("true", "")
    assert found["OMP_NUM_THREADS"] == str(max(1, (os.cpu_count() or 1) // 2))
    assert not found.keys() & {"ACCELERATE_MIXED_PRECISION", "FSDP_VERSION"}
    given = crew.environment(0, Accelerated(2, gpus="1,3"), {"OMP_NUM_THREADS": "7"})
    assert (given["OMP_NUM_THREADS"], given["CUDA_VISIBLE_DEVICES"]) == ("7", "1,3")
    assert "ACCELERATE_USE_CPU" not in given


def test_an_error_comes_back_as_the_kind_it_was(tmp_path: Path) -> None:
    assert crew.error_of(tmp_path, 0) is None
    said = {"expected": "a", "found": "b", "fix": "c"}
    for kind in (InputError, DeniedError):
        write_json(crew.error_file(tmp_path, 0), {"kind": kind.__name__, **said})
        error = crew.error_of(tmp_path, 0)
        assert type(error) is kind
        assert error.to_json() == said
    write_json(crew.error_file(tmp_path, 1), {"kind": "TeacherError", **said})
    assert isinstance(crew.error_of(tmp_path, 1), InputError), "exit code 2, as a teacher's error has"


@pytest.mark.parametrize("name", ["demo", "on-policy", "mixture", "across", "preferred"])
def test_a_recipe_is_the_same_recipe_for_the_crew(name: str) -> None:
    from inbond.recipes.pipeline import Pipeline
    from inbond.recipes.pipeline import load as load_any

    loaded, _ = load_any(name)
    for recipe in loaded.stages if isinstance(loaded, Pipeline) else (loaded,):
        assert parse_recipe(plain(recipe), "task") == recipe


def test_a_context_that_was_read_is_not_read_again() -> None:
    recipe, _ = load("demo")
    prompts = recipe.prompts.model_copy(update={"context": "be brief", "context_file": "brief.txt"})
    again = parse_recipe(plain(recipe.model_copy(update={"prompts": prompts})), "task")
    assert (again.prompts.context, again.prompts.context_file) == ("be brief", None)
