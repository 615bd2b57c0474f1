"""The benchmarks themselves, on tiny models: they run, judge their goals, and compare like with like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.slow


def run(script: str, *arguments: object) -> str:
    """What a benchmark prints, in a process of its own; fails with its stderr."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(FOLDER / script), "--small", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(autouse=True)
def _peers() -> None:
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    for name in ("trl", "liger_kernel"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install inbond[dev]")


def goals(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("goal met: ", "goal MISSED: "))]


def test_the_loss_kernel() -> None:
    text = run("loss_kernel.py", "--rounds", 1)
    assert len(goals(text)) == 2
    table = text[text.index("relative difference") :].splitlines()[2:7]
    names = [line.split("|")[1].strip() for line in table]
    assert names == ["inbond", "TRL chunked", "Liger", "Liger 256", "naive"]
    for line in table:
        assert all(float(cell) < 1e-5 for cell in line.split("|")[2:5]), line


def test_verified_answers(tmp_path: Path) -> None:
    options = (
        "--folder",
        tmp_path,
        "--sums",
        6,
        "--held-out",
        10,
        "--samples",
        2,
        "--tokens",
        100,
        "--steps",
        2,
    )
    text = run("verified.py", *options)
    assert len(goals(text)) == 2
    assert "the teacher's answers that pass: 0 of 12 (0%)" in text
    assert [line.split("|")[1].strip() for line in text.splitlines()[-6:-2]] == [
        "the teacher itself",
        "verified",
        "any answer, same sums",
        "any answer, all sums",
    ]
    told = [line.split(": ")[1] for line in text.splitlines() if line.startswith("seed 1, ")]
    assert len(set(told)) == 1, "as many answers, tokens and steps for each"
    assert run("verified.py", *options) == text, "nothing is made again"


def test_the_training_step() -> None:
    text = run("training_step.py", "--rounds", 2, "--batch", 4)
    assert len(goals(text)) == 4
    assert "inbond, sharing on" in text


def test_wall_clock_to_the_same_quality() -> None:
    options = "--records", 32, "--held-out", 8, "--epochs", 2, "--batch", 8, "--our-epochs", 3
    text = run("same_quality.py", *options)
    assert len(goals(text)) == 2
    assert text.count("| TRL GKDTrainer as it comes |") == 2
    assert text.count("| TRL GKDTrainer at its best |") == 2


def test_the_memory_of_a_step(tmp_path: Path) -> None:
    text = run("step_memory.py", "--out", tmp_path / "memory.svg")
    assert len(goals(text)) == 1
    rows = {
        (cells[1], cells[2]): [int(cell) for cell in cells[3:5]]
        for line in text.splitlines()
        if (cells := [cell.strip() for cell in line.split("|")])[1:2] in (["top-k"], ["naive"])
    }
    small, large = rows["naive", "8,192"]
    assert 1.5 * small < large, "whole logits double with the batch"
    assert rows["top-k", "8,192"][1] < large / 3
    picture = ElementTree.fromstring((tmp_path / "memory.svg").read_text())
    assert [child.tag.rpartition("}")[2] for child in picture][:2] == ["title", "desc"]


def test_the_study_goes_on_where_it_was(tmp_path: Path) -> None:
    options = (
        "--records", 16, "--held-out", 8, "--batch", 8, "--epochs", 1, "--kept", tmp_path / "kept",
        "--out", tmp_path / "study", "--rows", "*/top-64/2", "kl/*/2",
    )  # fmt: skip
    none = run("study.py", *options, "--minutes", 0)
    assert "14 of 14 rows are still to come" in none
    whole = run("study.py", *options)
    assert whole.count(" seed 0: KL ") == 14
    again = run("study.py", *options)
    assert " seed 0: KL " not in again
    assert again.splitlines()[-14:] == whole.splitlines()[-14:]
    curves = json.loads((tmp_path / "study.json").read_text())
    assert [point["step"] for point in curves[0]["points"]] == [0, 1, 2]
    assert all(curve["points"][0]["kl"] > 0 for curve in curves)
    ElementTree.fromstring((tmp_path / "study.svg").read_text())


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The benchmarks' modules, as their scripts import them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import gkd
    import setting
    import training_step

    yield gkd, setting, training_step
    for module in (gkd, setting, training_step):
        del sys.modules[module.__name__]


@pytest.mark.parametrize("share", [False, True])
def test_trl_and_inbond_take_the_very_same_steps(benchmarks: Any, tmp_path: Path, share: bool) -> None:
    """The comparison is fair when both do the same: same batches, labels, loss, clipping, schedule and AdamW.
    With the whole distribution as targets their weights then agree to rounding after every epoch."""
    gkd, setting, steps = benchmarks
    found = setting.Setting.small(24, 0)
    plan = replace(steps.PLAN, batch=8, epochs=2, lr=1e-3, warmup_steps=0, share_prefix=share)
    theirs, mine, before = (found.student() for _ in range(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gkd.trainer(found, theirs, plan, lambda *_: None, tmp_path).train()
    keep = setting.Keep("top-k", found.vocabulary)  # all tokens: nothing is left to the tail
    learnt = steps.examples(found, setting.capture(found, keep))
    objectives = steps.Objectives(steps.Aim(), found.vocabulary)
    steps.train(
        mine, steps.Fixed(learnt, plan), objectives, plan, pad_id=found.pad_id, run=steps.of_value("test"),
        folder=tmp_path / "checkpoints", on_progress=lambda _: None,
    )  # fmt: skip
    moved, apart = (
        sum(
            float((a - b).detach().square().sum())
            for a, b in zip(x.parameters(), y.parameters(), strict=True)
        )
        for x, y in ((mine, before), (mine, theirs))
    )
    assert moved > 1e-3
    assert apart < 1e-8 * moved, f"{(apart / moved) ** 0.5:.1e} of the way apart"


def test_a_decision() -> None:
    text = run("decide.py")
    assert len(goals(text)) == 1
    assert "a decision: median" in text


def test_across_vocabularies() -> None:
    options = (
        "--records", 16, "--validation", 4, "--held-out", 8, "--seeds", 2, "--epochs", 1,
        "--rates", 1e-3, 1e-2, "--ways", "text", "tokens", "chunks",
    )  # fmt: skip
    text = run("across.py", *options)
    assert len(goals(text)) == 2
    assert "8 held-out, 4 validation, 16 train records" in text
    assert "| the teacher |" in text
    search = [line for line in text.splitlines() if line.startswith("validation of ")]
    assert [line.split()[2] for line in search] == ["text", "tokens", "chunks"]
    assert all("0.001: " in line and "0.01: " in line for line in search), "each way has the same search"
    assert "label tokens of the student" in text
    assert "time is up" in run("across.py", *options, "--minutes", 0)
