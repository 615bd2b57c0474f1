"""Capacity: real small trainings, each plainly held back by one thing, are diagnosed right."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from inbond.digest import canonical
from inbond.evaluate import agreement, capacity
from inbond.evaluate.capacity import Capacity, Limits, Point, decide, diagnose
from inbond.evaluate.intervals import RecordSums
from inbond.teachers.protocols import TokenSequence
from inbond.train.student import from_scratch
from tests.tiny import make_model

V, HELD_OUT, SHARES = 40, 48, 6


@cache
def teacher() -> Any:
    return make_model(V, layers=2, seed=0)


@cache
def data(count: int, seed: int) -> tuple[TokenSequence, ...]:
    """The teacher's own samples after two random tokens."""
    generator = torch.Generator().manual_seed(seed)
    ids_BT = torch.randint(3, V, (count, 2), generator=generator)
    with torch.inference_mode():
        for _ in range(14):
            p_BV = teacher()(ids_BT).logits[:, -1].softmax(1)
            ids_BT = torch.cat([ids_BT, torch.multinomial(p_BV, 1, generator=generator)], dim=1)
    return tuple(TokenSequence(tuple(row), 2) for row in ids_BT.tolist())


def rate(step: int, steps: int, lr: float) -> float:
    """The schedule of the real loop: a cosine down to a tenth."""
    half_turn = torch.pi * step / steps
    return float(lr * (0.1 + 0.45 * (1 + torch.cos(torch.tensor(half_turn)))))


def run(student: Any, examples: int, steps: int, lr: float, batch: int = 16) -> Capacity:
    """A plain training by full forward KL, measured at six points as a run would be."""
    train, held = data(examples, 1), data(HELD_OUT, 9)
    ids_BT = torch.tensor([sequence.ids for sequence in train])
    with torch.no_grad():
        logp_BTV = teacher()(ids_BT).logits[:, 1:-1].log_softmax(2)
    prepared = agreement.prepare(teacher(), held, vocabulary=V, pad_id=0)
    optimizer = torch.optim.AdamW(student.parameters(), lr=lr, weight_decay=0.0)
    generator, order, points = torch.Generator().manual_seed(0), [], []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate(step, steps, lr)
        order = order if len(order) >= batch else torch.randperm(examples, generator=generator).tolist()
        rows, order = order[:batch], order[batch:]
        logq_BTV = student(ids_BT[rows]).logits[:, 1:-1].log_softmax(2)
        loss = (logp_BTV[rows].exp() * (logp_BTV[rows] - logq_BTV)).sum(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % (steps // SHARES) == 0:
            points.append(
                Point(step + 1, rate(step, steps, lr), agreement.measure(prepared, student).records)
            )
    seen = agreement.prepare(teacher(), train[:HELD_OUT], vocabulary=V, pad_id=0)
    return Capacity(
        tuple(points), points[-1].held_out, agreement.measure(seen, student).records, steps,
        max(1, steps * batch // examples), examples,
        *(sum(p.numel() for p in model.parameters()) for model in (student, teacher())),
    )  # fmt: skip


def like_teacher(seed: int = 1) -> Any:
    return make_model(V, layers=2, seed=seed)


def thin(seed: int = 0) -> Any:
    """A student of a twentieth of its teacher's parameters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=V, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    return LlamaForCausalLM(config)


@pytest.mark.parametrize("examples", [48, 100])
def test_few_examples_and_many_epochs_are_limited_by_data(examples: int) -> None:
    """Both learn their records by heart: a wide gap, and a held-out KL that rises."""
    found = diagnose(run(like_teacher(), examples, 300, 3e-3), Limits())
    assert found.limit == "data"
    assert found.advice[0].startswith(f"prompts: more of them than behind these {examples} records.")
    assert any(line.startswith("train.epochs: fewer than") for line in found.advice)


@pytest.mark.parametrize("lr", [3e-4, 1e-3, 3e-3])
def test_few_steps_are_limited_by_training_though_the_schedule_flattens_the_end(lr: float) -> None:
    found = run(like_teacher(), 4000, 60 if lr > 5e-4 else 198, lr)
    diagnosis = diagnose(found, Limits())
    assert diagnosis.limit == "training"
    assert found.left is not None
    assert found.left.value > 0.94, "a plain look at the last third would have called this flat"
    assert diagnosis.advice[0].startswith("train.epochs: 2 instead of 1.")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_thin_student_with_much_data_and_many_steps_is_limited_by_size(seed: int) -> None:
    diagnosis = diagnose(run(thin(seed), 4000, 996, 1e-2), Limits())
    assert diagnosis.limit == "size"
    assert "without a large gap" in diagnosis.verdict.reasons[0].finding
    assert diagnosis.advice[0].startswith("student.layers: more")


def test_a_student_that_starts_as_its_teacher_is_limited_by_nothing() -> None:
    student = from_scratch(teacher().config, {}, 0)
    student.load_state_dict(teacher().state_dict())
    diagnosis = diagnose(run(student, 64, 12, 1e-5), Limits())
    assert diagnosis.limit == "none"
    assert diagnosis.advice[0].startswith("student.layers: fewer")


def sums(mean: float, count: int = 40) -> RecordSums:
    kl = tuple(mean * (8 + row % 5) for row in range(count))
    return RecordSums(kl, (3,) * count, (10,) * count)


def curve(*means: float, rates: tuple[float, ...] | None = None, train: float | None = None) -> Capacity:
    size = len(means)
    rates = rates or (1e-3,) * size
    points = tuple(
        Point(100 * (place + 1) // size, rates[place], sums(mean)) for place, mean in enumerate(means)
    )
    last = points[-1].held_out
    return Capacity(points, last, sums(train or means[-1]), 100, 2, 500, 10, 30)


def test_a_demand_is_met_or_not_by_the_whole_interval() -> None:
    found = curve(2.0, 1.0, 1.0)
    at = found.kl.value
    assert [decide(found, Limits(max_kl=limit)).outcome for limit in (None, 2 * at, at, at / 2)] == [
        "pass", "pass", "cannot-tell", "fail",
    ]  # fmt: skip
    reason = next(r for r in decide(found, Limits()).reasons if r.rule == "capacity.demanded")
    assert reason.finding.startswith("No max_kl was demanded")


def test_a_curve_without_a_point_near_two_thirds_cannot_tell() -> None:
    found = curve(1.0)
    diagnosis = diagnose(found, Limits())
    assert diagnosis.limit == "unclear"
    assert "whether it still fell is not known" in diagnosis.verdict.reasons[2].finding
    assert any("train.epochs: 4" in line for line in diagnosis.advice)


def test_too_few_records_cannot_tell() -> None:
    few = sums(1.0, 7)
    found = replace(curve(2.0, 1.0, 1.0), train=few)
    diagnosis = diagnose(found, Limits(max_kl=9.0))
    assert (diagnosis.limit, diagnosis.verdict.outcome) == ("unclear", "cannot-tell")
    assert "at least 8 of each" in diagnosis.verdict.reasons[0].finding


def test_nothing_measured_cannot_tell() -> None:
    found = replace(curve(2.0, 1.0, 1.0), train=RecordSums((), (), ()))
    assert diagnose(found, Limits(max_kl=9.0)).verdict.outcome == "cannot-tell"
    assert found.to_json()["train"]["kl"] is None


def test_a_flat_end_counts_for_less_where_the_rate_had_sunk() -> None:
    """The same last third, once at a constant rate and once at the end of a cosine."""
    means = (2.0, 1.5, 1.2, 1.05, 1.0, 0.98)
    cosine = tuple(rate(round(100 * share / 6), 100, 1e-3) for share in range(1, 7))
    constant, sunk = curve(*means), curve(*means, rates=cosine)
    assert constant.stretch == pytest.approx(1, rel=0.05)
    assert 2.3 < sunk.stretch < 3.3
    one, other = constant.ahead(), sunk.ahead()
    assert one is not None
    assert other is not None
    assert other[0] > 2 * one[0]


def test_the_verdict_covers_the_curve_and_is_always_the_same() -> None:
    found = curve(2.0, 1.5, 1.3, 1.2)
    assert canonical(found.to_json())
    assert diagnose(found, Limits()) == diagnose(curve(2.0, 1.5, 1.3, 1.2), Limits())
    other = replace(found, points=found.points[1:])
    assert diagnose(other, Limits()).verdict.facts != diagnose(found, Limits()).verdict.facts
    assert decide(found, Limits()).decider == capacity.DECIDER
    assert all(one.step < two.step for one, two in pairwise(found.points))
