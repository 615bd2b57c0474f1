"""Own samples against plain formulas: expected gradients over every answer, micro-batches, entropies."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from inbond.digest import of_bytes
from inbond.errors import InputError
from inbond.losses.batches import make_batch
from inbond.losses.divergences import ForwardKL, ReverseKL
from inbond.losses.heads import chunked_loss, head_weight
from inbond.losses.hidden import label_hidden
from inbond.losses.likelihood import likelihood_loss
from inbond.losses.objectives import Distil
from inbond.losses.policy import PolicyGradient
from inbond.losses.targets import TopK
from inbond.teachers.local import Local
from inbond.teachers.protocols import Keep
from inbond.train.drawing import Here, draw
from inbond.train.entropies import ENTROPY, LOGP, PLAIN, TILTED, TILTS, mean_entropy, measure
from inbond.train.examples import Aim, Objectives
from inbond.train.lessons import Fixed
from inbond.train.on_policy import Course, MarksByScores, OnPolicy, OnPolicyCriterion, Own
from tests.tiny import make_model
from tests.unit.test_on_policy import DRAWING, KINDS, PROMPTS, lessons
from tests.unit.test_training import PLAN, TOKENIZER, V, examples, fresh

WORDS, WIDTH, END = 4, 3, 0


class Tiny:
    """A student of four words that remembers its whole prefix: answers of at most two tokens, word 0 ends
    one. Float64."""

    def __init__(self, seed: int) -> None:
        noise = torch.Generator().manual_seed(seed)
        self.prefixes = [(), *((word,) for word in range(1, WORDS))]
        rows = len(self.prefixes)
        self.hidden_RH = torch.randn(rows, WIDTH, generator=noise, dtype=torch.float64).requires_grad_()
        self.head_VH = torch.randn(WORDS, WIDTH, generator=noise, dtype=torch.float64).requires_grad_()
        self.logp_RV = torch.randn(rows, WORDS, generator=noise, dtype=torch.float64).log_softmax(1)

    @property
    def logq_RV(self) -> Tensor:
        return (self.hidden_RH @ self.head_VH.T).log_softmax(1)

    def answers(self) -> list[tuple[int, ...]]:
        whole = [(END,)]
        return whole + list(itertools.product(range(1, WORDS), range(WORDS)))

    def places(self, answer: tuple[int, ...]) -> list[int]:
        return [self.prefixes.index(answer[:place]) for place in range(len(answer))]

    def wanted(self) -> tuple[Tensor, ...]:
        """The gradient of reverse KL at each place, each counted as often as the student comes by."""
        logq_RV = self.logq_RV
        come_R = torch.cat([torch.ones(1), logq_RV[0, 1:].detach().exp()]).double()
        kl_R = (logq_RV.exp() * (logq_RV - self.logp_RV)).sum(1)
        return torch.autograd.grad((come_R * kl_R).sum(), (self.hidden_RH, self.head_VH))

    def expected(self, policy: bool, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
        """The mean over all answers of the gradient of what is learnt from one. With ``policy`` tokens may
        be drawn at another temperature, as long as the student comes to its places as it would."""
        total = [torch.zeros_like(self.hidden_RH), torch.zeros_like(self.head_VH)]
        logq_RV = self.logq_RV.detach()
        drawn_RV = (logq_RV / temperature).log_softmax(1)
        for answer in self.answers():
            rows = torch.tensor(self.places(answer))
            labels_N = torch.tensor(answer)
            chance = drawn_RV[rows, labels_N].sum().exp()
            loss = self._loss(policy, rows, labels_N, drawn_RV)
            for sum_, grad in zip(
                total, torch.autograd.grad(loss, (self.hidden_RH, self.head_VH)), strict=True
            ):
                sum_ += chance * grad
        return total[0], total[1]

    def _loss(self, policy: bool, rows: Tensor, labels_N: Tensor, drawn_RV: Tensor) -> Tensor:
        student = self.hidden_RH[rows], self.head_VH
        one_N = torch.ones(len(rows), dtype=torch.float64)
        if policy:
            p_N, drawn_N = self.logp_RV[rows, labels_N], drawn_RV[rows, labels_N]
            return likelihood_loss(*student, labels_N, PolicyGradient(drawn_N, p_N, one_N), 2)
        targets = TopK.from_logp(torch.arange(WORDS).expand(len(rows), -1), self.logp_RV[rows])
        return chunked_loss(*student, Distil(targets, ReverseKL(), labels_N, one_N, 0 * one_N), 2)


@pytest.mark.parametrize("policy", [False, True])
@given(st.integers(0, 10**6))
def test_the_mean_over_every_answer_is_the_gradient_of_reverse_kl(policy: bool, seed: int) -> None:
    tiny = Tiny(seed)
    for found, wanted in zip(tiny.expected(policy), tiny.wanted(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)


@given(st.integers(0, 10**6), st.floats(1.0, 5.0))
def test_a_ratio_counts_up_to_its_cap(seed: int, cap: float) -> None:
    noise = torch.Generator().manual_seed(seed)
    logq_N, drawn_N, teacher_N, weight_N = torch.randn(4, 20, generator=noise, dtype=torch.float64)
    leaf_N = logq_N.clone().requires_grad_()
    ratio_N = (logq_N - drawn_N).exp()
    counts_N = torch.minimum(ratio_N, torch.tensor(cap))
    (wanted_N,) = torch.autograd.grad((weight_N * counts_N * (logq_N - teacher_N) * leaf_N).sum(), leaf_N)
    losses_N, found_N = PolicyGradient(drawn_N, teacher_N, weight_N, cap).value_and_grad(logq_N)
    torch.testing.assert_close(found_N, wanted_N)
    torch.testing.assert_close(losses_N, wanted_N)
    _, free_N = PolicyGradient(drawn_N, teacher_N, weight_N).value_and_grad(logq_N)
    low_N = ratio_N <= cap
    torch.testing.assert_close(found_N[low_N], free_N[low_N])
    assert bool((found_N.abs() <= free_N.abs() + 1e-12).all())
    never = PolicyGradient(torch.full_like(logq_N, -2000.0), teacher_N, weight_N, cap)
    assert bool(torch.isfinite(never.value_and_grad(logq_N)[1]).all()), "however unlikely it was"


def gradient(step: Any, kind: str, cuts: int) -> dict[str, Tensor]:
    """Of a whole step, its micro-batches cut into parts of at most ``cuts`` lessons."""
    model = fresh()
    criterion = OnPolicyCriterion(Objectives(Aim(ForwardKL()), V), KINDS[kind][1])
    for whole in step.batches:
        for first in range(0, len(whole), cuts):
            part = whole[first : first + cuts]
            batch = make_batch([s for one in part for s in one.sequences], 0, torch.device("cpu"))
            pair = label_hidden(model, batch), head_weight(model, V)
            criterion.loss(part, batch, step.weight, pair, 7).backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_step_is_the_same_however_it_is_cut(kind: str) -> None:
    step = lessons(Course(share=1.0, cold_start=0.0), kind).step(0, fresh())
    assert all(isinstance(one, Own) for batch in step.batches for one in batch)
    whole = gradient(step, kind, 64)
    for cuts in (1, 3):
        parts = gradient(step, kind, cuts)
        for name, value in whole.items():
            torch.testing.assert_close(parts[name], value, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_is_all_of_one_kind_with_accumulation_too(accumulate: int) -> None:
    made = lessons(Course(share=0.5, cold_start=0.2), accumulate=accumulate, epochs=8)
    model, kinds = fresh(), []
    for number in range(made.steps):
        step = made.step(number, model)
        found = {type(one) for batch in step.batches for one in batch}
        assert len(found) == 1
        kinds.append(found.pop() is Own)
        rows = [len(batch) for batch in made._given.step(number, None).batches]
        assert sum(map(len, step.batches)) == sum(rows) * (2 if kinds[-1] else 1), "two samples a prompt"
        assert max(map(len, step.batches)) <= max(rows)
        assert step.weight == sum(s.labels for batch in step.batches for one in batch for s in one.sequences)
    assert 0.2 < np.mean(kinds) < 0.6


def test_a_teacher_that_is_no_number_is_told() -> None:
    broken = make_model(V)
    with torch.no_grad():
        broken.model.norm.weight[3] = torch.nan
    data = examples()
    marks = MarksByScores(Local("path:broken", of_bytes(b""), broken, TOKENIZER), Keep(size=8))
    course = Course(share=1.0, cold_start=0.0)
    made = OnPolicy(Fixed(data, PLAN), [True] * len(data), Here(DRAWING, 0), marks, course, print)
    with pytest.raises(InputError, match="finite log-probabilities of the teacher's likeliest tokens"):
        made.step(0, fresh())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_entropies_are_those_of_the_whole_distribution(temperature: float) -> None:
    model = fresh().eval()
    drawing = replace(DRAWING, temperature=temperature)
    samples = draw(model, PROMPTS, drawing, 1)
    told = measure(model.eval(), V, temperature, [s.sequence for s in samples], 0)
    for sample, one in zip(samples, told, strict=True):
        sequence = sample.sequence
        with torch.no_grad():
            logits_NV = model(torch.tensor([sequence.ids])).logits[0, sequence.prompt_length - 1 : -1, :V]
        logp_NV, plain_NV = ((logits_NV.double() / t).log_softmax(1) for t in (temperature, 1.0))
        labels_N1 = torch.tensor(sequence.ids[sequence.prompt_length :]).unsqueeze(1)
        entropy_N = -(logp_NV.exp() * logp_NV).sum(1)
        wanted = {
            LOGP: logp_NV.gather(1, labels_N1).squeeze(1),
            PLAIN: -(plain_NV.exp() * plain_NV).sum(1),
            ENTROPY: entropy_N,
            **{
                TILTED + place: (logp_NV.exp() * (-tilt * logp_NV).exp()).sum(1).log()
                for place, tilt in enumerate(TILTS)
            },
        }
        for column, values in wanted.items():
            np.testing.assert_allclose(one[:, column], values.numpy(), atol=1e-4)
        assert sample.entropy == pytest.approx(one[:, PLAIN].mean(), abs=1e-4)
    mean = np.mean([one[:, PLAIN].mean() for one in measure(model, V, 1.0, [s.sequence for s in samples], 0)])
    assert mean_entropy(model, V, [s.sequence for s in samples], 0) == pytest.approx(float(mean))
