"""The loop: it learns, it is exact over micro-batches, and an interrupted run is the same run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from inbond.digest import of_bytes
from inbond.errors import InputError, UnwritableError
from inbond.losses.batches import by_length, epoch_batches
from inbond.teachers.local import Local
from inbond.teachers.protocols import Keep
from inbond.teachers.tokens import encode_record
from inbond.train import checkpoint, loop, student
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.loop import Plan
from inbond.types import Message, Record
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
V = len(TOKENIZER)
RUN = of_bytes(b"run")
PLAN = Plan(
    epochs=3, batch=4, accumulate=1, lr=3e-3, warmup_steps=2, weight_decay=0.0, chunk=7, seed=0,
    checkpoint_seconds=1e9,
)  # fmt: skip


def teacher() -> Local:
    return Local("path:tiny", of_bytes(b"tiny"), make_model(V), TOKENIZER)


def examples(count: int = 16, *, kl: float = 1.0, ce: float = 0.0) -> list[Example]:
    scores = teacher()
    texts = ["a river", "the sun gives light", "川は水の流れ", "a stone is a small piece of rock"]
    found = []
    for i in range(count):
        sequence = encode_record(TOKENIZER, Record((Message("user", f"word {i}"),), texts[i % 4]))
        found.append(Example(sequence, scores.score([sequence], Keep(size=8)), kl, ce))
    return found


def fresh() -> Any:
    return student.prune_layers(make_model(V), [0, 2])


def train(
    folder: Path,
    plan: Plan = PLAN,
    data: list[Example] | None = None,
    watch: Any = None,
    *,
    model: Any = None,
    objectives: Objectives = Objectives(Aim(), V),
    measure: Any = None,
) -> Any:
    """(the trained model, its curve)"""
    model = model or fresh()
    state = loop.train(
        model, Fixed(data or examples(), plan), objectives, plan, pad_id=0, run=RUN, folder=folder,
        on_progress=watch or (lambda _: None), measure=measure,
    )  # fmt: skip
    return model, state.curve


def test_the_loss_falls_and_progress_is_told(tmp_path: Path) -> None:
    seen: list[loop.TrainProgress] = []
    _, curve = train(tmp_path, replace(PLAN, epochs=12), watch=seen.append)
    first, last = np.mean([p.loss for p in curve[:4]]), np.mean([p.loss for p in curve[-4:]])
    assert last < 0.7 * first
    assert [point.step for point in curve] == list(range(1, len(curve) + 1))
    assert seen[-1].step == seen[-1].steps == len(curve)
    assert seen[-1].seconds_left == 0
    assert all(point.label_tokens_per_s > 0 for point in curve)


def test_targets_cover_what_text_alone_does_not(tmp_path: Path) -> None:
    """KL and CE are different objectives: each lowers its own loss most."""
    data = [Example(e.sequence, e.targets, 0.5, 0.5) for e in examples()]
    _, mixed = train(tmp_path / "mixed", data=data)
    text = [Example(e.sequence, None, 0.0, 1.0) for e in examples()]
    _, only_text = train(tmp_path / "text", data=text)
    assert np.isfinite([p.loss for p in mixed]).all()
    assert np.isfinite([p.loss for p in only_text]).all()
    assert abs(mixed[0].loss - only_text[0].loss) > 1e-3


def gradients(
    plan: Plan,
    steps: list[list[list[int]]],
    data: list[Example],
    monkeypatch: Any,
    objectives: Objectives = Objectives(Aim(), V),
) -> Any:
    """The gradient of the first step, however it is cut into micro-batches."""
    model = fresh()
    grabbed: list[torch.Tensor] = []
    lessons = Fixed(data, plan)
    monkeypatch.setattr(lessons, "_steps", steps)
    monkeypatch.setattr(
        torch.optim.AdamW, "step",
        lambda self: grabbed.extend(p.grad.clone() for g in self.param_groups for p in g["params"]),
    )  # fmt: skip
    loop.train(
        model, lessons, objectives, plan, pad_id=0, run=RUN, folder=Path("/nonexistent"),
        on_progress=lambda _: None,
    )  # fmt: skip
    return grabbed


def test_micro_batches_of_unequal_length_give_the_whole_steps_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = examples(8, kl=0.7, ce=0.3)
    whole = gradients(PLAN, [[list(range(8))]], data, monkeypatch)
    cut = gradients(PLAN, [[[0], [1, 2, 3, 4], [5, 6], [7]]], data, monkeypatch)
    for one, other in zip(whole, cut, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


class Widest(TorchDispatchMode):
    """Remembers the most rows of [rows, V] that any tensor had."""

    rows = 0

    def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, torch.Tensor) and value.dim() > 1 and value.shape[-1] == V:
                self.rows = max(self.rows, value.numel() // V)
        return made


@pytest.mark.parametrize("chunk", [40, 1000])
def test_no_more_than_a_chunk_of_logits_ever_exists(tmp_path: Path, chunk: int) -> None:
    data = examples()
    labels = sum(example.sequence.labels for example in data)
    assert labels > 40 > 32, "more than a chunk; and a chunk has more rows than the head's transpose"
    with Widest() as seen:
        train(tmp_path, replace(PLAN, epochs=1, batch=len(data), chunk=chunk), data)
    assert seen.rows == min(chunk, labels)


def test_a_resumed_run_ends_where_the_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, curve = train(tmp_path / "whole")
    frequent = replace(PLAN, checkpoint_seconds=1e-9)

    def stop(progress: loop.TrainProgress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", frequent, watch=stop)
    seen: list[int] = []
    resumed, again = train(tmp_path / "cut", frequent, watch=lambda p: seen.append(p.step))
    assert seen[0] == 7, "it goes on after the last checkpoint, step 6"
    assert [p.step for p in again] == [p.step for p in curve]
    np.testing.assert_allclose([p.loss for p in again], [p.loss for p in curve], rtol=1e-4)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_another_run_is_not_taken(tmp_path: Path) -> None:
    train(tmp_path, replace(PLAN, checkpoint_seconds=1e-9))
    assert checkpoint.latest(tmp_path, RUN) is not None
    assert checkpoint.latest(tmp_path, of_bytes(b"other")) is None


def test_damaged_checkpoints_are_passed_over(tmp_path: Path) -> None:
    _, curve = train(tmp_path, replace(PLAN, checkpoint_seconds=1e-9))
    (newest,) = tmp_path.glob("step-*")
    model = newest / "model.safetensors"
    model.write_bytes(model.read_bytes()[:100])
    _, again = train(tmp_path)
    np.testing.assert_allclose([p.loss for p in again], [p.loss for p in curve], rtol=1e-4)
    (newest / "state.json").write_text("{")
    assert checkpoint.latest(tmp_path, RUN) is None


def test_divergence_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    data = examples()
    poisoned = Example(
        data[9].sequence,
        replace(data[9].targets, logp_NK=np.full_like(data[9].targets.logp_NK, np.nan)),  # type: ignore[union-attr, type-var]
        1.0,
        0.0,
    )
    data[9] = poisoned
    plan = replace(PLAN, checkpoint_seconds=1e-9, batch=1, epochs=1)
    with pytest.raises(InputError, match=r"found NaN or infinity at step \d+ with a learning"):
        train(tmp_path, plan, data)
    found = checkpoint.latest(tmp_path, RUN)
    assert found is None or np.isfinite([p.loss for p in found[1].curve]).all()


def test_a_checkpoint_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableError, match="a folder"):
        train(tmp_path / "file", replace(PLAN, checkpoint_seconds=1e-9))


def test_batches_cover_everything_once_and_are_the_same_every_time() -> None:
    lengths = [3, 9, 1, 7, 7, 2, 30, 4, 5, 6, 11, 12, 13]
    for epoch in range(3):
        batches = epoch_batches(lengths, 4, seed=5, epoch=epoch)
        assert sorted(row for batch in batches for row in batch) == list(range(13))
        assert batches == epoch_batches(lengths, 4, seed=5, epoch=epoch)
    assert epoch_batches(lengths, 4, 5, 0) != epoch_batches(lengths, 4, 5, 1)
    assert epoch_batches(lengths, 4, 5, 0) != epoch_batches(lengths, 4, 6, 0)
    assert by_length(lengths, 5)[0] == [2, 5, 0, 7, 8]


CHILD = """
import json, sys
from dataclasses import replace
from pathlib import Path
from tests.unit.test_training import PLAN, train
folder = Path(sys.argv[1])
plan = replace(PLAN, epochs=6, checkpoint_seconds=1e-9)
_, curve = train(folder, plan, watch=lambda p: print(p.step, flush=True))
print(json.dumps([point.loss for point in curve]))
"""


@pytest.mark.slow
def test_killed_again_and_again_it_still_ends_within_noise(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    start = [sys.executable, "-c", CHILD, str(tmp_path / "killed")]
    first_steps = []
    for round_ in range(3):
        child = subprocess.Popen(start, cwd=root, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        first_steps.append(int(child.stdout.readline()))
        for _ in range(3):
            child.stdout.readline()
        time.sleep(0.02 * round_)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    done = subprocess.run(start, cwd=root, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    began = [*first_steps, int(lines[0])]
    assert began[0] == 1
    assert began == sorted(set(began)), "each attempt went on from a checkpoint"
    losses = json.loads(lines[-1])
    _, curve = train(tmp_path / "whole", replace(PLAN, epochs=6))
    np.testing.assert_allclose(losses, [point.loss for point in curve], rtol=1e-3)
