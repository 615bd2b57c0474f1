"""Learning from own samples: the gradient is that of reverse KL, samples are fair and repeatable, an
interrupted run is the same run, and a student that collapses is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inbond.errors import InputError
from inbond.losses.divergences import ForwardKL, ReverseKL
from inbond.losses.policy import PolicyGradient
from inbond.teachers.protocols import Keep
from inbond.teachers.tokens import end_ids
from inbond.train import checkpoint, loop
from inbond.train.collapse import WINDOW, Beside, Floors, collapse, note
from inbond.train.drawing import Drawing, Here, draw
from inbond.train.examples import Aim, Objectives
from inbond.train.lessons import Fixed
from inbond.train.likelihoods import measure_logp
from inbond.train.on_policy import (
    Course,
    MarksByLikelihood,
    MarksByScores,
    OnPolicy,
    OnPolicyCriterion,
    Own,
)
from tests.tiny import make_model
from tests.unit.test_training import PLAN, RUN, TOKENIZER, V, examples, fresh, teacher

ENDS = end_ids(make_model(V), TOKENIZER)
DRAWING = Drawing(V, ENDS, max_tokens=8)
PROMPTS = [list(one.sequence.ids[: one.sequence.prompt_length]) for one in examples(6)]


@given(st.integers(2, 6), st.integers(0, 10**6), st.floats(0.5, 2.0))
def test_its_expected_gradient_is_that_of_reverse_kl(size: int, seed: int, temperature: float) -> None:
    """Over every token that the behaviour could draw, which need not have the student's probabilities."""
    noise = torch.Generator().manual_seed(seed)
    logits, teacher_logits = torch.randn(2, size, generator=noise, dtype=torch.float64)
    behaviour = (logits / temperature).log_softmax(0)
    logits.requires_grad_()
    logq, logp = logits.log_softmax(0), teacher_logits.log_softmax(0)
    (expected,) = torch.autograd.grad((logq.exp() * (logq - logp)).sum(), logits, retain_graph=True)
    losses, grad = PolicyGradient(behaviour, logp, torch.ones(size)).value_and_grad(logq.detach())
    (found,) = torch.autograd.grad((behaviour.exp() * grad * logq).sum(), logits)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    kl = (logq.exp() * (logq - logp)).sum().detach()
    torch.testing.assert_close((behaviour.exp() * losses).sum(), kl, rtol=1e-9, atol=1e-12)


def test_the_gradient_goes_through_the_ratio_alone() -> None:
    behaviour, logp, logq = (torch.tensor(x, dtype=torch.float64) for x in ([-1.0], [-2.0], [-1.5]))
    leaf = logq.clone().requires_grad_()
    ratio = (leaf - behaviour).exp()
    (expected,) = torch.autograd.grad((ratio * (logq - logp)).sum(), leaf)
    _, found = PolicyGradient(behaviour, logp, torch.ones(1)).value_and_grad(logq)
    torch.testing.assert_close(found, expected)


def test_samples_have_the_log_probabilities_that_training_finds() -> None:
    model = fresh()
    samples = draw(model, PROMPTS, replace(DRAWING, samples=3), 7)
    assert model.training
    assert len(samples) == 18
    assert [s.sequence.ids[: s.sequence.prompt_length] for s in samples[::3]] == [tuple(p) for p in PROMPTS]
    found = measure_logp(model.eval(), V, [sample.sequence for sample in samples], 0)
    for sample, logp in zip(samples, found, strict=True):
        np.testing.assert_allclose(sample.behaviour, logp, atol=1e-4)
        assert 1 <= sample.sequence.labels <= DRAWING.max_tokens
        assert sample.ended == (sample.sequence.ids[-1] in ENDS)


def test_samples_are_fair_and_the_seed_alone_decides() -> None:
    model = fresh()
    drawing = replace(DRAWING, samples=4000, max_tokens=1)
    samples = draw(model, PROMPTS[:1], drawing, 3)
    with torch.inference_mode():
        p_V = model.eval()(torch.tensor(PROMPTS[:1])).logits[0, -1, :V].softmax(0).double()
    counts_V = torch.zeros(V).index_add_(
        0, torch.tensor([s.sequence.ids[-1] for s in samples]), torch.ones(4000)
    )
    likely_V = p_V > 0.01
    error_V = (counts_V / 4000 - p_V).abs()[likely_V]
    assert bool((error_V < 5 * (p_V * (1 - p_V) / 4000).sqrt()[likely_V]).all())
    one, again, other = (draw(model, PROMPTS, DRAWING, seed) for seed in (1, 1, 2))
    assert [s.sequence for s in one] == [s.sequence for s in again] != [s.sequence for s in other]


KINDS: dict[str, Any] = {
    "scores": (MarksByScores(teacher(), Keep(size=V)), Objectives(Aim(ReverseKL()), V)),
    "online": (MarksByScores(None, Keep()), Objectives(Aim(ReverseKL()), V, make_model(V))),
    "policy": (MarksByLikelihood(make_model(V), V, 0), Objectives(Aim(), V)),
}


def lessons(course: Course, kind: str = "scores", said: Any = None, **changes: Any) -> OnPolicy:
    data = examples()
    given = Fixed(data, replace(PLAN, **changes))
    drawing = replace(DRAWING, samples=2)
    draws = Here(drawing, course.seed)
    return OnPolicy(given, [True] * len(data), draws, KINDS[kind][0], course, said or (lambda _: None))


def learn(folder: Path, course: Course, kind: str = "scores", watch: Any = None, **changes: Any) -> Any:
    model, plan = fresh(), replace(PLAN, **changes)
    criterion = OnPolicyCriterion(Objectives(Aim(ForwardKL()), V), KINDS[kind][1])
    state = loop.train(
        model, lessons(course, kind, **changes), criterion, plan, pad_id=0, run=RUN, folder=folder,
        on_progress=watch or (lambda _: None),
    )  # fmt: skip
    return model, state


def reverse_kl(model: Any) -> float:
    """On its own samples, exactly at each place."""
    samples = draw(model, PROMPTS, replace(DRAWING, samples=40), 99)
    own = MarksByScores(teacher(), Keep(size=V)).mark(samples)
    from inbond.losses.batches import make_batch
    from inbond.losses.heads import head_weight
    from inbond.losses.hidden import label_hidden

    batch = make_batch([one.example.sequence for one in own], 0, torch.device("cpu"))
    with torch.no_grad():
        student = label_hidden(model, batch), head_weight(model, V)
        weight = sum(one.total for one in own)
        found = Objectives(Aim(ReverseKL()), V).loss([one.example for one in own], batch, weight, student, 64)
    return found.item()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_reverse_kl_on_own_samples_falls(tmp_path: Path, kind: str) -> None:
    before = reverse_kl(fresh())
    model, state = learn(tmp_path, Course(share=1.0, cold_start=0.2), kind, epochs=12, lr=2e-3)
    assert reverse_kl(model) < 0.8 * before
    own = {one.step for one in state.noted}
    assert own == set(range(round(0.2 * 48) + 1, 49)), "cold start first, then every step"
    assert set(state.noted[0].found) == {"entropy", "distinct", "similarity", "tokens", "ended"}


@pytest.mark.parametrize("reuse", [1, 3])
@pytest.mark.parametrize("kind", ["scores", "policy"])
def test_an_interrupted_run_is_the_same_run(tmp_path: Path, kind: str, reuse: int) -> None:
    course = Course(share=0.7, cold_start=0.25, reuse=reuse)

    def stop(progress: Any) -> None:
        if progress.step == 9:
            raise KeyboardInterrupt

    whole, uncut = learn(tmp_path / "whole", course, kind, checkpoint_seconds=1e-9)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "cut", course, kind, stop, checkpoint_seconds=1e-9)
    found = checkpoint.latest(tmp_path / "cut", RUN)
    assert found is not None
    assert 0 < found[1].step < 9
    resumed, again = learn(tmp_path / "cut", course, kind, checkpoint_seconds=1e-9)
    assert [point.loss for point in again.curve] == [point.loss for point in uncut.curve]
    assert again.noted == uncut.noted
    assert again.label_tokens == uncut.label_tokens
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_stale_samples_keep_the_probability_they_were_drawn_with() -> None:
    made = lessons(Course(share=1.0, cold_start=0.0, reuse=3), "policy")
    model = fresh()
    steps = [made.step(0, model)]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    steps.append(made.step(1, model))
    for step in steps:
        own = [one for batch in step.batches for one in batch if isinstance(one, Own)]
        assert len(own) == 8
        for asked, is_it in ((fresh(), True), (model, False)):
            found = measure_logp(asked.eval(), V, [one.example.sequence for one in own], 0)
            gap = max(float(np.abs(a - b.behaviour).max()) for a, b in zip(found, own, strict=True))
            assert (gap < 1e-4) == is_it
    assert not made.resumes(2)
    assert made.resumes(3)


def test_how_often_and_from_when() -> None:
    made = lessons(Course(share=0.5, cold_start=0.5), epochs=50)
    own = [number for number in range(made.steps) if made._is_own(number)]
    assert min(own) >= 100
    assert 30 < len(own) < 70
    never = lessons(Course(share=0.0), epochs=2)
    assert not [number for number in range(never.steps) if never._is_own(number)]


def test_rows_that_may_not_be_asked_are_never_sampled() -> None:
    data = examples()
    given = Fixed(data, PLAN)
    draws, course = Here(DRAWING, 0), Course(share=1.0, cold_start=0.0)
    made = OnPolicy(given, [False] * len(data), draws, KINDS["scores"][0], course, print)
    assert not any(made._is_own(number) for number in range(made.steps))


def notes(entropies: list[float], distinct: float = 0.5, **teacher: float) -> list[Any]:
    return [{"entropy": entropy, "distinct": distinct, "tokens": 9.0, **teacher} for entropy in entropies]


def test_without_a_teacher_a_collapse_is_told_by_what_there_was_at_first() -> None:
    assert collapse(notes([2.0] * WINDOW + [0.1] * (WINDOW - 1)), Floors()) is None, "not yet told"
    assert collapse(notes([2.0] * 20), Floors()) is None
    assert collapse(notes([2.0] * WINDOW + [0.1] * WINDOW), Floors()) == (
        "0.1 nats of entropy a token in its own samples, after 2 at first"
    )
    falling = notes([2.0] * WINDOW) + notes([2.0] * WINDOW, 0.2)
    assert "distinct in its own samples, after 0.5 at first" in str(collapse(falling, Floors()))


def test_a_student_as_sharp_as_its_teacher_has_not_collapsed() -> None:
    """However various it was when it had learnt nothing."""
    sharp = notes([4.0] * WINDOW + [0.2] * WINDOW, teacher_entropy=0.3, teacher_tokens=9.0)
    assert collapse(sharp, Floors()) is None
    vague = notes([4.0] * WINDOW + [0.2] * WINDOW, teacher_entropy=1.0, teacher_tokens=9.0)
    assert collapse(vague, Floors()) == (
        "0.2 nats of entropy a token in its own samples, where the teacher has 1"
    )


def test_a_collapse_in_the_very_first_own_steps_is_told() -> None:
    fallen = notes([0.1] * WINDOW, teacher_entropy=1.0, teacher_tokens=9.0)
    assert collapse(fallen[1:], Floors()) is None
    assert collapse(fallen, Floors()) is not None


LONG = tuple(range(10, 30))


def beside(samples: list[Any], texts: list[Any], entropy: float = 1.0) -> Any:
    """What is told of such samples, the same in every step, all as sure as the teacher."""
    one = note(samples, [1.0] * len(samples), [True] * len(samples), Beside(texts, entropy))
    return collapse([one] * WINDOW, Floors())


def test_answers_that_are_no_longer_any_are_a_collapse_unless_the_teachers_are_alike() -> None:
    assert beside([()] * 4, [LONG] * 4) == "0 tokens an answer in its own samples, where the teacher has 20"
    assert beside([(5,)] * 4, [LONG] * 4) == "1 tokens an answer in its own samples, where the teacher has 20"
    assert beside([(5,)] * 4, [(6,), (7,), (5,), (5,)]) is None, "one token is all there is to say"
    assert beside([()] * 4, [()] * 4) is None


def test_answers_that_repeat_themselves_are_a_collapse_and_various_ones_are_not() -> None:
    texts = [tuple(range(start, start + 20)) for start in (0, 20, 40, 60)]
    assert beside(texts, texts) is None
    assert "of its pairs of neighbouring tokens are distinct" in beside([(5, 6) * 10] * 4, texts)
    assert "distinct" in beside([LONG] * 4, texts), "the same to every prompt"
    assert beside([LONG] * 4, [LONG] * 4) is None, "as the teacher does"


def test_short_answers_are_compared_with_as_much_of_the_teachers() -> None:
    """Distinct pairs are fewer the more text there is, and with several samples to each prompt."""
    texts = [(1, 2, 3, 4, 1, 2, 3, 4) * 2, (5, 6, 7, 8, 5, 6, 7, 8) * 2]
    found = note([text[:6] for text in texts for _ in range(3)], [1.0] * 6, [True] * 6, Beside(texts, 1.0))
    assert found["teacher_distinct"] == found["distinct_beside"] == 8 / 10
    assert found["distinct"] == 8 / 30
    few = note([(1, 2, 3)], [1.0], [True], Beside([(1, 2, 3)], 1.0))
    assert "teacher_distinct" not in few, "two pairs say nothing"


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=1, max_size=6), st.integers(1, 3), st.data()
)
def test_what_is_noted_is_always_a_number(texts: list[list[int]], each: int, data: Any) -> None:
    count = len(texts) * each
    samples = data.draw(st.lists(st.lists(st.integers(0, 9), max_size=12), min_size=count, max_size=count))
    found = note(samples, [0.5] * count, [True] * count, Beside(texts, 0.7))
    assert all(np.isfinite(value) and value >= 0 for value in found.values())
    assert all(found.get(name, 0) <= 1 for name in ("distinct", "distinct_beside", "teacher_distinct"))
    collapse([found] * WINDOW, Floors())


def test_what_is_noted_of_samples() -> None:
    found = note([[1, 2, 1, 2], [1, 2, 3]], [1.0, 2.0], [True, False])
    assert found == {"entropy": 1.5, "distinct": 3 / 5, "similarity": 1 / 3, "tokens": 3.5, "ended": 0.5}
    assert note([[], [4]], [0.0, 0.0], [True, True])["distinct"] == 0.0


def test_the_teachers_own_answers_are_noted_beside() -> None:
    """Without their end, and no longer than a sample may be."""
    made = lessons(Course(share=1.0, cold_start=0.0, teacher_entropy=0.9))
    told = made.step(0, fresh()).noted
    assert told is not None
    answers = [one.sequence for batch in made._given.step(0, None).batches for one in batch]
    lengths = [len(one.ids[one.prompt_length :][: DRAWING.max_tokens]) for one in answers]
    ends = [one.ids[-1] in ENDS and one.labels <= DRAWING.max_tokens for one in answers]
    assert told["teacher_tokens"] == pytest.approx((sum(lengths) - sum(ends)) / len(answers))
    assert told["teacher_entropy"] == 0.9


def test_a_student_that_collapses_is_stopped_and_its_last_good_checkpoint_kept(tmp_path: Path) -> None:
    """Floors above 1 make any student one that falls: the point is what happens then."""
    course = Course(share=1.0, cold_start=0.0, floors=Floors(entropy=1e9), action="stop")
    with pytest.raises(InputError) as told:
        learn(tmp_path, course, epochs=6, checkpoint_seconds=1e-9)
    assert told.value.expected == "a student whose own answers stay various"
    assert f"before step {2 * WINDOW + 1}" in told.value.found
    assert "set on_policy.share or train.lr lower" in told.value.fix
    found = checkpoint.latest(tmp_path, RUN)
    assert found is not None
    assert found[1].step == 2 * WINDOW - 1


def test_a_warning_is_given_once(tmp_path: Path) -> None:
    said: list[str] = []
    course = Course(share=1.0, cold_start=0.0, floors=Floors(entropy=1e9), action="warn")
    made, plan = lessons(course, said=said.append, epochs=4), replace(PLAN, epochs=4)
    loop.train(
        fresh(), made, OnPolicyCriterion(Objectives(Aim(), V), KINDS["scores"][1]), plan, pad_id=0, run=RUN,
        folder=tmp_path, on_progress=lambda _: None,
    )  # fmt: skip
    assert len(said) == 1
    assert said[0].startswith("train: the student repeats itself: ")
