"""Two real processes, with copies or shards of a student, find what one does; a checkpoint is anybody's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from inbond.recipes.crew import environment
from inbond.train import checkpoint
from tests import crew_parts
from tests.crew_parts import CASES, CUT_AT, HOW
from tests.unit.test_training import RUN

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that two processes left."""
    folder = tmp_path_factory.mktemp("together")
    assert crew_parts.train(CASES["plain"], folder / "cut-one", cut=CUT_AT + 1, every=1e-9) is None
    here = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.crew_parts", str(folder), str(folder / "store")]
    logs = [(folder / f"{index}.log").open("wb") for index in range(2)]
    crew = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(index, HOW, here), stdout=log, stderr=subprocess.STDOUT
        )
        for index, log in enumerate(logs)
    ]
    try:
        codes = [process.wait(timeout=600) for process in crew]
    finally:
        for process, log in zip(crew, logs, strict=True):
            process.kill()
            log.close()
    assert codes == [0, 0], "\n".join((folder / f"{i}.log").read_text()[-3000:] for i in range(2))
    return folder


def found(place: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    return load_file(place.with_suffix(".safetensors")), json.loads(place.with_suffix(".json").read_text())


def assert_same(one: Any, other: Any) -> None:
    weights, told = one
    assert weights.keys() == other[0].keys()
    for name, value in other[0].items():
        torch.testing.assert_close(weights[name], value, rtol=1e-5, atol=1e-5, msg=name)
    assert told["losses"] == pytest.approx(other[1]["losses"], rel=1e-4)
    assert told["norms"] == pytest.approx(other[1]["norms"][-len(told["norms"]) :], rel=1e-4)
    assert told["kl"] == pytest.approx(other[1]["kl"], rel=1e-4)
    assert told["tokens"] == other[1]["tokens"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["copies", "shards"])
@pytest.mark.parametrize("name", CASES)
def test_two_processes_find_what_one_does(kind: str, name: str, together: Path, tmp_path: Path) -> None:
    if (kind, name) == ("shards", "own"):
        pytest.skip("refused: a part of a student answers no prompt")
    alone = crew_parts.train(CASES[name], tmp_path)
    assert alone is not None
    assert len(alone[1]["kl"]) == 2
    assert_same(found(together / f"{kind}-{name}"), alone)


@pytest.mark.slow
def test_shards_go_on_from_one_process_and_one_process_from_shards(together: Path, tmp_path: Path) -> None:
    whole = crew_parts.train(CASES["plain"], tmp_path)
    assert whole is not None
    kept = checkpoint.latest(together / "cut-two", RUN)
    assert kept is not None
    assert kept[1].step == CUT_AT
    again = crew_parts.train(CASES["plain"], together / "cut-two")
    assert again is not None
    assert again[1]["losses"][:CUT_AT] == [point.loss for point in kept[1].curve], "it did not begin anew"
    assert_same(again, whole)
    first = checkpoint.latest(together / "cut-one", RUN)
    assert first is not None
    after = found(together / "shards-after-one")
    assert after[1]["losses"][:CUT_AT] == [point.loss for point in first[1].curve]
    assert_same(after, whole)
