"""DPO against plain autograd and against TRL in fp64, value and gradient; pairs as lessons of the loop."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import logsigmoid

from inbond.digest import of_bytes
from inbond.errors import InputError, TamperedError
from inbond.losses.preferences import DPO
from inbond.teachers.protocols import Keep, TokenSequence
from inbond.teachers.tokens import encode_record
from inbond.train import checkpoint, loop
from inbond.train.examples import Aim, Example, Objectives
from inbond.train.lessons import Fixed
from inbond.train.likelihoods import capture_logp, load_logp
from inbond.train.pairs import Pair, Preference, Preferring, check_pairs, lengths
from inbond.types import Message, Record
from tests.tiny import make_model
from tests.unit.test_oracles import oracle
from tests.unit.test_training import PLAN, RUN, TOKENIZER, V, fresh, teacher


def case(pairs: int, seed: int, **settings: Any) -> tuple[DPO, Tensor]:
    noise = torch.Generator().manual_seed(seed)
    lengths_S = torch.randint(1, 6, (2 * pairs,), generator=noise)
    reference_S = -3 * torch.rand(2 * pairs, generator=noise, dtype=torch.float64) * lengths_S
    logp_N = -3 * torch.rand(int(lengths_S.sum()), generator=noise, dtype=torch.float64)
    weight_P = torch.rand(pairs, generator=noise, dtype=torch.float64)
    return DPO(lengths_S, reference_S, weight_P, **settings), logp_N


def formula(loss: DPO, logp_N: Tensor) -> Tensor:
    """As the paper writes it."""
    sums_S = torch.stack([part.sum() for part in logp_N.split(loss.lengths_S.tolist())]) - loss.reference_S
    if loss.normalise == "average":
        sums_S = sums_S / loss.lengths_S
    margin_P = loss.beta * (sums_S[0::2] - sums_S[1::2])
    right_P = (1 - loss.smoothing) * -logsigmoid(margin_P) - loss.smoothing * logsigmoid(-margin_P)
    return loss.weight_P * right_P


@given(
    st.integers(1, 4), st.integers(0, 10**6), st.sampled_from(["sum", "average"]), st.floats(0, 0.49),
    st.floats(0.01, 5),
)  # fmt: skip
def test_value_and_gradient_are_those_of_the_formula(
    pairs: int, seed: int, normalise: Any, smoothing: float, beta: float
) -> None:
    loss, logp_N = case(pairs, seed, normalise=normalise, smoothing=smoothing, beta=beta)
    leaf_N = logp_N.clone().requires_grad_()
    expected_P = formula(loss, leaf_N)
    (expected_N,) = torch.autograd.grad(expected_P.sum(), leaf_N)
    losses_P, grad_N = loss.value_and_grad(logp_N)
    torch.testing.assert_close(losses_P, expected_P.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad_N, expected_N, rtol=1e-10, atol=1e-12)


def theirs(loss: DPO, leaf_N: Tensor, loss_type: str) -> Tensor:
    """TRL's own ``DPOTrainer._compute_loss`` on a model whose log-probabilities are ``leaf_N``."""
    trainer = oracle("trl.trainer.dpo_trainer", "DPOTrainer")
    sequences = leaf_N.split(loss.lengths_S.tolist())
    rows = [*sequences[0::2], *sequences[1::2]]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(row), dtype=torch.int64) for row in rows], True)
    whole = torch.cat([torch.zeros_like(mask[:, :1]), mask], 1)  # the prompt: one token

    def model(**_: Any) -> Any:
        nothing = torch.zeros_like(padded)
        return SimpleNamespace(log_probs=padded, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())

    same = SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x, device="cpu")
    self = SimpleNamespace(
        model=SimpleNamespace(training=True), accelerator=same, aux_loss_enabled=False, ld_alpha=None,
        precompute_ref_logps=True, f_divergence_type="reverse_kl", loss_types=[loss_type], loss_weights=[1.0],
        beta=loss.beta, label_smoothing=loss.smoothing, use_weighting=False, _tp_size=1,
        _metrics=defaultdict(lambda: defaultdict(list)), _total_train_tokens=0,
    )  # fmt: skip
    inputs = {
        "input_ids": torch.zeros_like(whole), "attention_mask": torch.ones_like(whole),
        "completion_mask": whole,
        "ref_chosen_logps": loss.reference_S[0::2], "ref_rejected_logps": loss.reference_S[1::2],
    }  # fmt: skip
    found: Tensor = trainer._compute_loss(self, model, inputs, False)
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("theirs_is", "normalise", "smoothing", "pairs"), [
    ("sigmoid", "sum", 0.0, 5), ("sigmoid_norm", "average", 0.0, 5), ("aot", "sum", 0.2, 1),
])  # fmt: skip
def test_trl_finds_the_same_loss_and_gradient(
    theirs_is: str, normalise: Any, smoothing: float, pairs: int, seed: int
) -> None:
    """``aot`` of a single pair is cDPO: there is nothing to sort."""
    loss, logp_N = case(pairs, seed, normalise=normalise, smoothing=smoothing, beta=0.3)
    loss = replace(loss, weight_P=torch.full((pairs,), 1 / pairs, dtype=torch.float64))
    leaf_N = logp_N.clone().requires_grad_()
    expected = theirs(loss, leaf_N, theirs_is)
    (expected_N,) = torch.autograd.grad(expected, leaf_N)
    losses_P, grad_N = loss.value_and_grad(logp_N)
    torch.testing.assert_close(losses_P.sum(), expected.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad_N, expected_N, rtol=1e-10, atol=1e-12)


def sequence(prompt: str, text: str) -> TokenSequence:
    return encode_record(TOKENIZER, Record((Message("user", prompt),), text))


def answers(count: int = 12) -> tuple[list[TokenSequence], list[TokenSequence]]:
    chosen = [sequence(f"word {i}", "the sun gives light") for i in range(count)]
    return chosen, [sequence(f"word {i}", "a stone is a small piece of rock") for i in range(count)]


def captured(folder: Path, model: Any) -> list[float]:
    chosen, rejected = answers()
    both = [side for pair in zip(chosen, rejected, strict=True) for side in pair]
    found = capture_logp(
        model, "tiny", (V, of_bytes(b"v")), both, folder, pad_id=0, shard_size=5, on_progress=lambda *_: None
    )
    again = load_logp("tiny", of_bytes(b"v"), both, folder, shard_size=5)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    return [float(one.sum()) for one in found]


def pairs(folder: Path, model: Any, kl: float = 0.0, ce: float = 0.0) -> list[Pair]:
    sums, scores = captured(folder, model), teacher()
    return [
        Pair(
            Example(one, scores.score([one], Keep(size=8)) if kl else None, kl, ce), other,
            (sums[2 * i], sums[2 * i + 1]),
        )
        for i, (one, other) in enumerate(zip(*answers(), strict=True))
    ]  # fmt: skip


def learn(folder: Path, lessons: list[Pair], **changes: Any) -> tuple[Any, Any]:
    model, plan = fresh(), replace(PLAN, **changes)
    state = loop.train(
        model, Fixed(lessons, plan), Preferring(Preference(beta=0.5), Objectives(Aim(), V)), plan, pad_id=0,
        run=RUN, folder=folder, on_progress=lambda _: None,
    )  # fmt: skip
    return model, state


def test_the_student_comes_to_prefer_what_was_chosen(tmp_path: Path) -> None:
    lessons = pairs(tmp_path / "reference", fresh())
    model, state = learn(tmp_path / "work", lessons, epochs=10)
    assert state.curve[0].loss == pytest.approx(np.log(2), rel=1e-5), "the student begins as the reference"
    assert state.curve[-1].loss < 0.2
    before = [a - b for a, b in (pair.reference for pair in lessons)]
    after = captured(tmp_path / "after", model)
    assert all(a - b > old + 1 for a, b, old in zip(after[0::2], after[1::2], before, strict=True))
    assert state.label_tokens == 10 * sum(s.labels for pair in lessons for s in pair.sequences)


def test_text_objectives_take_part_on_the_chosen_answer_alone(tmp_path: Path) -> None:
    lessons = pairs(tmp_path / "reference", fresh(), kl=0.5, ce=0.5)
    alone = [replace(pair, preference=0.0) for pair in lessons]
    labels = [pair.chosen.sequence.labels for pair in lessons]
    text = [replace(pair.chosen, weight=0.5 / n, ce=0.5 / n) for pair, n in zip(lessons, labels, strict=True)]
    _, mixed = learn(tmp_path / "mixed", lessons, batch=12, epochs=1)
    _, only = learn(tmp_path / "only", alone, batch=12, epochs=1)
    plan = replace(PLAN, batch=12, epochs=1)
    state = loop.train(
        fresh(), Fixed(text, plan), Objectives(Aim(), V), plan, pad_id=0, run=RUN, folder=tmp_path / "text",
        on_progress=lambda _: None,
    )  # fmt: skip
    assert only.curve[0].loss == pytest.approx(state.curve[0].loss, rel=1e-5)
    assert mixed.curve[0].loss == pytest.approx((np.log(2) + only.curve[0].loss) / 2, rel=1e-5)


def test_micro_batches_of_pairs_give_the_whole_steps_loss(tmp_path: Path) -> None:
    lessons = pairs(tmp_path / "reference", make_model(V))
    _, whole = learn(tmp_path / "whole", lessons, batch=12, epochs=1)
    _, cut = learn(tmp_path / "cut", lessons, batch=5, accumulate=3, epochs=1)
    assert whole.curve[0].loss == pytest.approx(cut.curve[0].loss, rel=1e-5)


def test_training_on_pairs_resumes_bit_for_bit(tmp_path: Path) -> None:
    lessons = pairs(tmp_path / "reference", fresh())
    whole, _ = learn(tmp_path / "whole", lessons, checkpoint_seconds=1e-9)
    learn(tmp_path / "cut", lessons, checkpoint_seconds=1e-9)
    found = checkpoint.latest(tmp_path / "cut", RUN)
    assert found is not None
    again, _ = learn(tmp_path / "cut", lessons, checkpoint_seconds=1e-9)
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_a_shard_that_is_damaged_or_of_another_model_is_made_anew(tmp_path: Path) -> None:
    model = fresh()
    expected = captured(tmp_path, model)
    path = tmp_path / "likelihoods-00001.safetensors"
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    both = [side for pair in zip(*answers(), strict=True) for side in pair]
    with pytest.raises(TamperedError, match="damaged or about something else"):
        load_logp("tiny", of_bytes(b"v"), both, tmp_path, shard_size=5)
    assert captured(tmp_path, model) == expected
    with pytest.raises(TamperedError, match="of these very sequences"):
        load_logp("other", of_bytes(b"v"), both, tmp_path, shard_size=5)


@pytest.mark.parametrize(("chosen", "rejected", "found"), [
    (("w", "a river"), ("w", "a river"), "pair 2, whose chosen and rejected answers are equal"),
    (("w", "a river"), ("v", "a stone"), "pair 2, whose answers belong to different prompts"),
])  # fmt: skip
def test_a_pair_that_prefers_nothing_is_named(chosen: Any, rejected: Any, found: str) -> None:
    sides = [[sequence("w", "one"), sequence(*chosen)], [sequence("w", "two"), sequence(*rejected)]]
    with pytest.raises(InputError) as told:
        check_pairs(*sides)
    assert told.value.expected == "pairs of two different answers to one prompt"
    assert told.value.found == found


def test_lengths_of_both_sides_are_told(tmp_path: Path) -> None:
    found = lengths(pairs(tmp_path, fresh()))
    chosen, rejected = answers()
    assert found == {
        "pairs": 12, "chosen_tokens": chosen[0].labels, "rejected_tokens": rejected[0].labels,
        "chosen_longer": 0.0,
    }  # fmt: skip
