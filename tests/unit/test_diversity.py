"""Diversity: measures by hand, the gate's errors by simulation over real samples of a real small model."""

from __future__ import annotations

import copy
import itertools
import math
import unicodedata
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inbond.digest import canonical
from inbond.errors import InputError
from inbond.evaluate import samples
from inbond.evaluate.diversity import (
    LABELS,
    Answers,
    Diversity,
    Limits,
    Measure,
    decide,
    measure,
    normalised,
    rarefied,
)
from inbond.losses import decoding
from inbond.types import Verdict
from tests.tiny import make_model, make_tokenizer

TOKENIZER = make_tokenizer()
V = len(TOKENIZER)
SAMPLING = {"temperature": 1.0, "top_p": 1.0}
NEW_TOKENS = 12
PROMPTS, POOL = 40, 48


def prompts(count: int = PROMPTS) -> list[list[int]]:
    generator = np.random.default_rng(0)
    return [list(generator.integers(3, V, size=generator.integers(1, 6))) for _ in range(count)]


def sampled(model: Any, count: int, seed: int, *, asked: int = PROMPTS, **changes: float) -> Answers:
    settings = {"temperature": 1.0, "top_p": 1.0, **changes}
    return samples.sample_answers(
        model, TOKENIZER, prompts(asked), count, max_new_tokens=NEW_TOKENS, seed=seed, **settings
    )


def narrowed(temperature: float) -> Any:
    """The model whose every distribution is that of the other one at ``temperature``."""
    model = make_model(V)
    with torch.no_grad():
        model.model.norm.weight /= temperature
    return model


@cache
def pool(temperature: float) -> Answers:
    return sampled(narrowed(temperature), POOL, seed=1)


def drawn(found: Answers, rows: Any, places: list[Any]) -> Answers:
    """Some prompts and some of the answers to each."""
    parts = (found.tokens, found.texts, found.entropy, found.ended)
    return Answers(
        *(
            tuple(
                tuple(part[row][place] for place in chosen) for row, chosen in zip(rows, places, strict=True)
            )
            for part in parts
        )
    )


def simulated(temperature: float, runs: int, asked: int, each: int, limits: Limits) -> list[Verdict]:
    """Verdicts on fresh draws of prompts, and of different answers for teacher and student."""
    generator, verdicts = np.random.default_rng(5), []
    for _ in range(runs):
        rows = generator.choice(PROMPTS, asked, replace=False)
        orders = [generator.permutation(POOL) for _ in rows]
        teacher = drawn(pool(1.0), rows, [order[:each] for order in orders])
        student = drawn(pool(temperature), rows, [order[each : 2 * each] for order in orders])
        verdicts.append(decide(measure(teacher, student, SAMPLING), limits))
    return verdicts


@pytest.mark.slow
def test_two_identical_models_are_hardly_ever_told_apart() -> None:
    """At most 5% may fail by the limit's own promise; so far above it none should."""
    outcomes = Counter(v.outcome for v in simulated(1.0, 400, asked=12, each=8, limits=Limits()))
    assert outcomes["fail"] / 400 <= 0.05
    assert outcomes["pass"] / 400 >= 0.9, "and the gate can say so with 12 prompts of 8 answers"


@pytest.mark.slow
def test_the_limit_itself_is_failed_no_oftener_than_promised() -> None:
    """Identical models with min_ratio 1 lie exactly on the limit in all measures: the worst case."""
    verdicts = simulated(1.0, 400, asked=12, each=8, limits=Limits(min_ratio=1.0))
    assert sum(v.outcome == "fail" for v in verdicts) / 400 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.slow
def test_a_model_narrowed_to_temperature_03_is_found() -> None:
    outcomes = Counter(v.outcome for v in simulated(0.3, 100, asked=12, each=8, limits=Limits()))
    assert outcomes["fail"] / 100 >= 0.95


def at_the_limit(generator: np.random.Generator, asked: int) -> Diversity:
    """A student whose true ratio is .8 in every measure, measures and models correlated by prompt."""
    common = generator.normal(0, 0.2, asked)
    measures = []
    for name in LABELS:
        teacher, student = (np.exp(common + generator.normal(0, 0.2, asked)) for _ in range(2))
        measures.append(Measure(name, tuple(teacher), tuple(0.8 * student)))
    return Diversity(tuple(measures), asked, 8, SAMPLING)


@pytest.mark.slow
def test_over_all_measures_together_the_error_rate_is_kept() -> None:
    generator = np.random.default_rng(7)
    outcomes = Counter(decide(at_the_limit(generator, 16), Limits()).outcome for _ in range(250))
    assert outcomes["fail"] / 250 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 250)
    assert outcomes["pass"] / 250 <= 0.025 + 2 * math.sqrt(0.025 * 0.975 / 250)
    assert outcomes["fail"] > 0, "a gate that never fails on the limit is needlessly timid"


def answers(tokens: list[list[list[int]]], entropy: float = 1.0) -> Answers:
    return Answers(
        tuple(tuple(tuple(answer) for answer in group) for group in tokens),
        tuple(tuple(" ".join(map(str, answer)) for answer in group) for group in tokens),
        tuple((entropy,) * len(group) for group in tokens),
        tuple((True,) * len(group) for group in tokens),
    )


def test_measures_by_hand() -> None:
    teacher = answers([[[1, 2, 3], [4, 5, 6]]] * 9)
    student = answers([[[1, 2, 3], [1, 2, 3]]] * 9, entropy=0.25)
    found = measure(teacher, student, SAMPLING)
    ratios = {entry.name: entry.ratio.value for entry in found.measures if entry.ratio}
    half = {name: 0.5 for name in LABELS if name != "entropy"}
    assert ratios == pytest.approx({**half, "entropy": 0.25})
    assert found.ratio == pytest.approx(0.5)
    verdict = decide(found, Limits())
    assert verdict.outcome == "fail"
    assert verdict.reasons[0].finding == (
        "distinct-1 (different words (tokens) among all said): the student has 0.50 of its teacher's "
        "(95% interval 0.50 to 0.50, 9 prompts); at least 0.8 is wanted."
    )
    assert "about 5% at most (Holm's correction over 5 measures)" in verdict.reasons[-1].finding


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.data())
def test_rarefying_is_the_mean_over_all_subsets(grams: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(grams)))
    subsets = list(itertools.combinations(grams, size))
    expected = sum(len(set(subset)) for subset in subsets) / len(subsets) / size
    counts = Counter((gram,) for gram in grams)
    assert rarefied(counts, size) == pytest.approx(expected)


def test_saying_less_is_not_saying_more_different_things() -> None:
    """Two models that draw from the same words, one with answers half as long: the plain ratio would be
    far above 1, the rarefied one is not."""
    generator = np.random.default_rng(0)
    long, short = (
        answers([[list(generator.integers(0, 12, size)) for _ in range(8)] for _ in range(30)])
        for size in (24, 12)
    )
    found = next(m for m in measure(long, short, SAMPLING).measures if m.name == "distinct-1")
    plain = [
        sum(len({t for answer in group for t in answer}) / sum(map(len, group)) for group in said.tokens)
        for said in (long, short)
    ]
    assert plain[1] / plain[0] > 1.5
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(1, abs=0.03)


def test_too_few_prompts_cannot_tell() -> None:
    few = answers([[[1, 2, 3], [1, 2, 3]]] * 7)
    verdict = decide(measure(few, few, SAMPLING), Limits())
    assert verdict.outcome == "cannot-tell"
    assert verdict.reasons[0].finding.endswith(
        "could be measured on 7 prompts; an interval needs at least 8."
    )
    assert measure(few, few, SAMPLING).ratio is None


def test_a_student_that_says_nothing_fails_by_its_answers() -> None:
    """No n-gram measure can be taken of silence; the answers themselves tell."""
    teacher = answers([[[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 5, 9]]] * 10)
    verdict = decide(measure(teacher, answers([[[]] * 4] * 10, entropy=0.0), SAMPLING), Limits())
    assert verdict.outcome == "fail"
    assert {reason.rule for reason in verdict.reasons} == {"diversity.narrowed", "diversity.error-rates"}
    assert any("distinct-answers" in reason.finding for reason in verdict.reasons)


def test_near_the_limit_it_says_how_many_prompts_would_decide() -> None:
    generator = np.random.default_rng(1)
    teacher = generator.uniform(0.5, 1.5, 12)
    student = 0.85 * teacher * generator.lognormal(0, 0.3, 12)
    found = Diversity((Measure("distinct-2", tuple(teacher), tuple(student)),), 12, 8, SAMPLING)
    verdict = decide(found, Limits())
    assert verdict.outcome == "cannot-tell"
    assert "prompts would decide, if it stays so." in verdict.reasons[0].finding


def test_the_same_facts_give_the_same_verdict_and_others_other_facts() -> None:
    found = measure(sampled(make_model(V), 4, 0, asked=10), sampled(narrowed(0.5), 4, 0, asked=10), SAMPLING)
    assert decide(found, Limits()) == decide(copy.deepcopy(found), Limits())
    assert decide(found, Limits()).facts != decide(found, Limits(min_ratio=0.7)).facts
    assert canonical(found.to_json())


@given(st.text(max_size=30))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalised(text)
    assert normalised(unicodedata.normalize("NFKD", once)) == once or normalised(once) == once
    assert normalised(f"  {text}\n") == once


def test_width_case_and_spaces_make_no_other_answer() -> None:
    assert normalised("Ａ  river\n") == normalised("a River")
    assert normalised("川は　水") == normalised("川は 水")


# Sampling itself, against the model.


def test_the_seed_decides_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(V, padding=7)
    whole = sampled(model, 4, seed=3, asked=9)
    assert sampled(model, 4, seed=3, asked=9) == whole
    assert sampled(model, 4, seed=4, asked=9).tokens != whole.tokens
    monkeypatch.setattr(decoding, "ROWS", 4)
    apart = sampled(model, 4, seed=3, asked=9)
    assert apart.tokens == whole.tokens
    assert np.allclose(np.array(apart.entropy), np.array(whole.entropy), atol=1e-5)


def test_models_whose_cache_cannot_be_shared_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(V)
    cached = sampled(model, 3, seed=1, asked=6)
    monkeypatch.setattr(decoding, "can_share", lambda *_: False)
    assert sampled(model, 3, seed=1, asked=6).tokens == cached.tokens


@settings(max_examples=30)
@given(st.floats(0.05, 1.0), st.integers(0, 10_000), st.sampled_from([3, 40, 900]))
def test_draws_come_from_the_nucleus_in_the_right_shares(top_p: float, seed: int, vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(1, vocabulary, generator=generator)
    p, order = logits.softmax(1)[0].double().sort(descending=True)
    size = int(((p.cumsum(0) - p) < top_p).sum())
    expected = torch.zeros(vocabulary).double()
    expected[order[:size]] = p[:size] / p[:size].sum()
    chances = (torch.arange(4000) + 0.5) / 4000
    drawn = samples._draw(logits.expand(4000, -1), top_p, chances)
    found = torch.bincount(drawn, minlength=vocabulary).double() / 4000
    assert float((found - expected).abs().max()) <= 1 / 4000 + 1e-6


def test_entropy_is_the_written_out_one_and_stops_with_the_answer() -> None:
    model = make_model(V)
    found = sampled(model, 2, seed=2, asked=5)
    checked = 0
    for prompt, tokens, entropies, ended in zip(
        prompts(5), found.tokens, found.entropy, found.ended, strict=True
    ):
        for answer, entropy, stopped in zip(tokens, entropies, ended, strict=True):
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 :, :V]
            steps = len(answer) + 1 if stopped else len(answer)
            logp = logits[:steps].double().log_softmax(1)
            assert entropy == pytest.approx(-(logp.exp() * logp).sum(1).mean().item(), rel=1e-4)
            checked += 1
    assert checked == 10


def test_answers_end_at_their_end_token_and_padded_rows_are_never_said() -> None:
    model = make_model(V, padding=9)
    with torch.no_grad():
        model.get_output_embeddings().weight[V:] = 50 * torch.randn(9, 32)
        model.get_output_embeddings().weight[2] *= 3
    found = sampled(model, 8, seed=0, asked=12)
    said = [token for group in found.tokens for answer in group for token in answer]
    assert max(said) < V
    assert 2 not in said
    assert any(itertools.chain(*found.ended))
    for group, ended in zip(found.tokens, found.ended, strict=True):
        assert all(len(a) == NEW_TOKENS or stop for a, stop in zip(group, ended, strict=True))


def test_greedy_sequences_are_what_the_model_generates() -> None:
    model = make_model(V)
    for prompt, (ids, length) in zip(
        prompts(8), samples.greedy_sequences(model, TOKENIZER, prompts(8), 10), strict=True
    ):
        expected = model.generate(torch.tensor([prompt]), max_new_tokens=10, do_sample=False, pad_token_id=0)[
            0
        ].tolist()
        assert list(ids) == expected
        assert length == len(prompt)


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"count": 1}])
def test_what_cannot_show_variety_is_refused(changes: dict[str, float]) -> None:
    count = int(changes.pop("count", 4))
    with pytest.raises(InputError, match="a temperature above 0 and at least 2 samples a prompt"):
        sampled(make_model(V), count, seed=0, asked=2, **changes)


def test_progress_counts_answers() -> None:
    seen: list[tuple[int, int]] = []
    samples.sample_answers(
        make_model(V), TOKENIZER, prompts(30), 8, max_new_tokens=2, temperature=1.0, top_p=0.9, seed=0,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(96, 240), (192, 240), (240, 240)]
