"""Exactness of the loop: micro-batches, processes, prefixes, adapters, resuming; and runs that go wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.losses.divergences import JSD, AdaptiveKL, ForwardKL, Mixture, ReverseKL
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.train import adapters, checkpoint
from inbond.train.adapters import Lora
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.health import LossWatch
from inbond.train.loop import measured_at
from tests.tiny import make_model
from tests.unit.test_training import PLAN, RUN, V, examples, fresh, gradients, teacher, train

BATCH_OF_8 = [[list(range(8))]]


@pytest.mark.parametrize("cut", [[[0, 1], [2, 3], [4, 5], [6, 7]], [[0], [1, 2, 3, 4], [5, 6], [7]]])
def test_accumulating_gives_the_gradient_of_the_whole_step(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = examples(8, kl=0.7, ce=0.3)
    whole = gradients(PLAN, BATCH_OF_8, data, monkeypatch)
    parts = gradients(replace(PLAN, accumulate=4), [cut], data, monkeypatch)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_shared_prefix_changes_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    data = examples(8)
    shared = gradients(PLAN, BATCH_OF_8, data, monkeypatch)
    alone = gradients(replace(PLAN, share_prefix=False), BATCH_OF_8, data, monkeypatch)
    for one, other in zip(shared, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


CHILD = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from tests.unit.test_training import PLAN, examples, train
torch.set_num_threads(1)
plan = replace(PLAN, epochs=1, batch=5, accumulate=2)
model, curve = train(Path(sys.argv[1]), plan, examples(13, kl=0.7, ce=0.3))
if int(__import__("os").environ.get("RANK", 0)) == 0:
    total = sum(float(p.detach().double().sum()) for p in model.parameters())
    print("FOUND", json.dumps([[point.loss for point in curve], total]), flush=True)
if torch.distributed.is_initialized():  # gloo's threads must not outlive the interpreter
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
"""


def in_processes(count: int, folder: Path) -> tuple[list[float], float]:
    child = folder / "child.py"
    child.write_text(CHILD, encoding="utf-8")
    root = Path(__file__).parents[2]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    environment = {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*start, str(child), str(folder / f"work{count}")],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if "FOUND" in line)
    losses, total = json.loads(line.partition("FOUND")[2])
    return losses, total


@pytest.mark.slow
def test_two_processes_give_the_loss_of_one(tmp_path: Path) -> None:
    """Real gloo processes; 13 records in batches of 5 are dealt out unevenly."""
    one, two = in_processes(1, tmp_path), in_processes(2, tmp_path)
    np.testing.assert_allclose(two[0], one[0], rtol=1e-5)
    assert two[1] == pytest.approx(one[1], rel=1e-5)


@pytest.mark.parametrize("lora", [None, Lora(rank=4, dropout=0.2)])
def test_a_resumed_run_is_the_same_run_bit_for_bit(tmp_path: Path, lora: Lora | None) -> None:
    def run(folder: Path, watch: Any = None) -> tuple[Any, Any]:
        model = fresh()
        adapted = adapters.attach(model, lora, 0) if lora else None
        _, curve = train(folder, replace(PLAN, checkpoint_seconds=1e-9), watch=watch, model=model)
        return adapters.merge(adapted) if lora else model, curve

    def stop(progress: Any) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    whole, curve = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop)
    seen: list[int] = []
    resumed, again = run(tmp_path / "cut", lambda progress: seen.append(progress.step))
    assert seen[0] == 7, "it went on after the checkpoint of step 6"
    assert [point.loss for point in again] == [point.loss for point in curve]
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_what_was_measured_survives_a_resume_and_is_not_measured_twice(tmp_path: Path) -> None:
    plan = replace(PLAN, checkpoint_seconds=1e-9, measurements=3)
    calls: list[bool] = []

    def measure(model: Any) -> dict[str, Any]:
        calls.append(model.training)
        return {"kl": [float(len(calls)), 0.5]}

    def stop(progress: Any) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, plan, watch=stop, measure=measure)
    assert len(calls) == 2
    train(tmp_path, plan, measure=measure)
    assert calls == [False] * 4, (
        "in evaluation mode, before the first and after the last step and twice between"
    )
    found = checkpoint.latest(tmp_path, RUN)
    assert found is not None
    assert [(point.step, point.found["kl"][0]) for point in found[1].measured][:3] == [
        (0, 1.0),
        (4, 2.0),
        (8, 3.0),
    ]


def test_measuring_is_spread_evenly() -> None:
    assert measured_at(66, 6) == {0, 11, 22, 33, 44, 55, 66}
    assert measured_at(2, 6) == {0, 1, 2}
    assert measured_at(10, 0) == set()


@pytest.mark.parametrize("aim", [
    Aim(ForwardKL()), Aim(JSD(0.5), temperature=2.0, squared=True), Aim(AdaptiveKL(0.5)),
    Aim(Mixture(((0.5, ForwardKL()), (0.5, ReverseKL())))),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["top-k", "sampled", "online"])
def test_every_objective_learns_from_every_kind_of_target(tmp_path: Path, aim: Aim, kind: str) -> None:
    data = examples(16)
    if kind == "online":
        data = [replace(example, targets=None) for example in data]
        objectives = Objectives(aim, V, make_model(V))
    else:
        keep = Keep(kind, 12, aim.temperature)  # type: ignore[arg-type]
        data = [replace(e, targets=teacher().score([e.sequence], keep)) for e in data]
        objectives = Objectives(aim, V)
    _, curve = train(tmp_path, replace(PLAN, epochs=10), data, objectives=objectives)
    first, last = np.mean([p.loss for p in curve[:4]]), np.mean([p.loss for p in curve[-4:]])
    assert last < 0.75 * first


def test_online_targets_give_the_gradient_of_top_k_targets_that_hold_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = examples(6)
    whole = [replace(e, targets=teacher().score([e.sequence], Keep(size=V))) for e in data]
    stored = gradients(PLAN, [[list(range(6))]], whole, monkeypatch)
    online = gradients(PLAN, [[list(range(6))]], data, monkeypatch, Objectives(Aim(), V, make_model(V)))
    for one, other in zip(stored, online, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_adapters_alone_learn_and_merge_into_a_plain_model(tmp_path: Path) -> None:
    model = make_model(V, seed=3)  # as large as its teacher
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = adapters.attach(model, Lora(rank=4), 0)
    learnt = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert 0 < learnt < sum(p.numel() for p in model.parameters()) / 2
    _, curve = train(tmp_path, replace(PLAN, epochs=12, lr=1e-2), model=model)
    assert np.mean([p.loss for p in curve[-4:]]) < 0.8 * np.mean([p.loss for p in curve[:4]])
    ids = torch.arange(10)[None]
    with torch.inference_mode():
        adapted_logits = model(ids).logits
        merged = adapters.merge(adapted)
        torch.testing.assert_close(merged(ids).logits, adapted_logits, rtol=1e-3, atol=1e-3)
    assert set(merged.state_dict()) == set(before)
    changed = {name for name, value in merged.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if "proj" in name}


def test_adapters_are_the_same_for_the_same_seed() -> None:
    first, second = fresh(), fresh()
    adapters.attach(first, Lora(rank=4), 5)
    adapters.attach(second, Lora(rank=4), 5)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("target", ["q_projj", "lm_head", "embed_tokens", "layers"])
def test_an_adapter_target_that_does_not_exist_is_named(target: str) -> None:
    with pytest.raises(InputError) as found:
        adapters.attach(fresh(), Lora(targets=("q_proj", target)), 0)
    assert found.value.expected == (
        "names of linear layers of LlamaForCausalLM: "
        "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"
    )
    assert found.value.found == f"train.lora.targets with {target!r}"


def test_a_learning_rate_that_runs_away_is_stopped_and_the_last_good_checkpoint_kept(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=40, checkpoint_seconds=1e-9, warmup_steps=60, lr=30.0)
    with pytest.raises(InputError) as told:
        train(tmp_path, plan)
    found = checkpoint.latest(tmp_path, RUN)
    assert found is not None
    assert LossWatch(point.loss for point in found[1].curve).is_sound
    assert told.value.expected == "a loss that stays finite and falls"
    assert "with a learning rate of 30" in told.value.found
    kept = f"the checkpoint of step {found[1].step} is kept in {tmp_path} until it is trained again"
    assert told.value.fix == f"set train.lr lower; {kept}"


def test_a_noisy_or_warming_up_run_does_not_count_as_running_away() -> None:
    noise = np.random.default_rng(0)
    falling = [3.0 * 0.97**i + 0.3 for i in range(200)]
    for _ in range(50):
        assert not away(np.array(falling) * noise.lognormal(0, 0.4, 200))
    assert not away([0.02, *np.abs(noise.normal(0.03, 0.02, 100))]), "as good as its teacher: hundredths"
    assert away([*falling, *[9.0] * 10])
    assert not away([*falling, 9.0]), "a single bad batch"
    assert not LossWatch([*falling, *[2.0] * 10]).is_sound


def test_a_loss_that_settles_where_an_unlearnt_student_began_has_run_away() -> None:
    falling = np.linspace(11.5, 1.8, 40)
    assert not away(falling)
    assert away([*falling, *[9.0] * 30]), "better than the first step, and all that was learnt is lost"


def away(losses: Any) -> bool:
    """Whether the watch stopped it at any step."""
    watch = LossWatch()
    for loss in losses:
        watch.note(float(loss))
        if watch.runs_away:
            return True
    return False


@given(st.lists(st.floats(0, 20), max_size=60), st.integers(0, 60))
def test_a_watch_that_is_resumed_says_the_same(losses: list[float], cut: int) -> None:
    whole, resumed = LossWatch(losses), LossWatch(losses[:cut])
    for loss in losses[cut:]:
        resumed.note(loss)
    assert (whole.is_sound, whole.runs_away) == (resumed.is_sound, resumed.runs_away)


def test_a_checkpoint_with_a_flipped_bit_is_not_resumed(tmp_path: Path) -> None:
    train(tmp_path, replace(PLAN, checkpoint_seconds=1e-9))
    (folder,) = tmp_path.glob("step-*")
    for name in (checkpoint.MODEL, checkpoint.OPTIMIZER):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert checkpoint.latest(tmp_path, RUN) is None, name
        (folder / name).write_bytes(whole)
    assert checkpoint.latest(tmp_path, RUN) is not None


def test_a_student_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    model = fresh()
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(InputError) as told:
        train(tmp_path, model=model)
    assert told.value.found == "NaN or infinity in model.layers.1.mlp.up_proj.weight"


def test_an_online_teacher_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    broken = make_model(V)
    with torch.no_grad():
        broken.model.norm.weight[0] = torch.inf
    with pytest.raises(InputError, match="finite hidden states from the teacher"):
        train(tmp_path, objectives=Objectives(Aim(), V, broken))


@pytest.mark.parametrize("masked", ["labels", "weights"])
def test_nothing_to_learn_from_is_said(tmp_path: Path, masked: str) -> None:
    data = examples(3)
    if masked == "labels":
        whole = [TokenSequence(e.sequence.ids, len(e.sequence.ids)) for e in data]
        data = [Example(sequence, None, 1.0, 0.0) for sequence in whole]
    else:
        data = [replace(e, weight=0.0) for e in data]
    with pytest.raises(InputError) as told:
        train(tmp_path, data=data)
    assert told.value.found == "none in 3 records: all are masked or weigh nothing"


def test_a_record_without_labels_among_others_costs_nothing(tmp_path: Path) -> None:
    data = examples(5)
    empty = TokenSequence(data[0].sequence.ids[:4], 4)
    nothing = Example(empty, None, 0.0, 1.0)
    _, curve = train(tmp_path, replace(PLAN, epochs=1, batch=1), [*data, nothing])
    assert np.isfinite([point.loss for point in curve]).all()
    assert min(point.loss for point in curve) == 0.0
