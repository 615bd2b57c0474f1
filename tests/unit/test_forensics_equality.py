"""Model equality: even where both are the same, small where they are not, exact over all divisions."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from inbond.errors import InputError
from inbond.forensics.equality import LENGTH, compare, judge
from inbond.losses.decoding import decode
from tests.forensics_even import check_even
from tests.forensics_tiny import PLAN, TOKENIZER, V, base, memorable, records, trained


def answers(seed: int, words: str, prompts: int = 6, each: int = 8) -> list[list[str]]:
    draw = random.Random(seed)
    return [["".join(draw.choices(words, k=20)) for _ in range(each)] for _ in range(prompts)]


def test_another_model_is_found_and_the_same_one_is_not() -> None:
    reference = answers(0, "abcd")
    assert compare(answers(1, "abcz"), reference, shuffles=999, seed=0).p < 0.01
    assert compare(answers(2, "日本語文"), answers(3, "日本語文"), shuffles=999, seed=0).p > 0.01


def test_p_values_are_even_under_the_null() -> None:
    ps = [
        compare(answers(2 * i, "ab", 2, 4), answers(2 * i + 1, "ab", 2, 4), shuffles=99, seed=i).p
        for i in range(300)
    ]
    for alpha in (0.05, 0.2, 0.5):
        share = np.mean(np.array(ps) <= alpha)
        assert share <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / 300)


def test_p_is_that_of_all_divisions() -> None:
    served, reference = [["aaaa", "aaab"]], [["bbbb", "bbba"]]
    every = [*served[0], *reference[0]]

    def discrepancy(mine: tuple[int, ...]) -> float:
        def alike(i: int, j: int) -> float:
            same = sum(x == y for x, y in zip(every[i], every[j], strict=True))
            return (same + LENGTH - 4) / LENGTH

        theirs = [i for i in range(4) if i not in mine]
        cross = sum(alike(i, j) for i in mine for j in theirs) / 4
        return alike(*mine) + alike(*theirs) - 2 * cross

    found = discrepancy((0, 1))
    exact = np.mean([discrepancy(pair) >= found - 1e-12 for pair in combinations(range(4), 2)])
    result = compare(served, reference, shuffles=4000, seed=0)
    assert result.statistic == pytest.approx(found)
    assert result.p == pytest.approx(exact, abs=0.04)


def test_answers_of_other_lengths_differ_by_their_ends() -> None:
    long, short = [["aaaa"] * 6], [["aa"] * 6]
    assert compare(long, short, shuffles=999, seed=0).p < 0.02


def test_half_characters_and_empty_answers_are_answers() -> None:
    assert compare([["", "\ud800"]], [["", "\ud800"]], shuffles=9, seed=0).p > 0.5


@pytest.mark.parametrize("each", [4, 12])
def test_findings_are_even_under_the_null_counted_out_or_shuffled(each: int) -> None:
    """Of 4 answers each all divisions are counted, of 12 there are too many."""
    ps = [
        judge(
            answers(2 * i, "ab", 3, each), answers(2 * i + 1, "ab", 3, each), name="m", shuffles=199, seed=i
        ).p
        or 0.0
        for i in range(200)
    ]
    check_even(ps)


def test_other_answers_are_far_out_and_their_p_is_a_number() -> None:
    found = judge(
        answers(0, "abcd", 20), answers(1, "abyz", 20), name="hf:a/b", digest="sha256:0", shuffles=99
    )
    assert found.log10_p is not None
    assert found.log10_p < -12
    assert found.words() == "consistent with: the served model answers otherwise than hf:a/b"
    assert found.about == {"kind": "model", "name": "hf:a/b", "id": "sha256:0", "differs": "yes"}


def by_prompt(seed: int, prompts: int, otherwise: float = 0.0) -> list[list[str]]:
    """Each prompt has words of its own; a share of answers is another prompt's."""
    draw = random.Random(seed)

    def one(prompt: int) -> str:
        mine = prompt if draw.random() >= otherwise else (prompt + 1) % prompts
        words = random.Random(f"{mine}").choices(["river ", "a ", "stone ", "the ", "sea "], k=5)
        return "".join(words[draw.randrange(5)] for _ in range(12))

    return [[one(prompt) for _ in range(8)] for prompt in range(prompts)]


def test_the_effect_it_names_is_seen_nine_times_in_ten() -> None:
    needed = judge(by_prompt(0, 40), by_prompt(1, 40), name="m", shuffles=9).needed
    assert needed is not None
    assert 20 < needed < 80
    found = [
        judge(
            by_prompt(2 * i, needed, 0.5), by_prompt(2 * i + 1, needed), name="m", shuffles=19_999, seed=i
        ).p
        for i in range(10)
    ]
    assert np.mean(np.array(found) < 6e-5) >= 0.9, "as small as so many shuffles can tell"
    enough = judge(by_prompt(5, 60), by_prompt(6, 60), name="m", shuffles=999)
    assert enough.words() == (
        "no evidence of: the served model answers otherwise than m; a served model of which 50% of the "
        "answers are of another kind would most likely have been seen"
    )


def test_answers_that_are_all_the_same_cannot_tell() -> None:
    same = [["a"] * 3] * 9
    found = judge(same, same, name="m", shuffles=99)
    assert found.p == pytest.approx(1)
    assert found.words() == "cannot tell, from 9 prompts: how many it would take is not known"


def test_too_few_answers_are_an_error() -> None:
    with pytest.raises(InputError, match="found no prompts; fix: ask both the same prompts"):
        judge([], [], name="m")
    with pytest.raises(InputError, match="found 1 and 1 prompts, one of them with 1 answers"):
        judge([["a"]], [["a", "b"]], name="m")
    with pytest.raises(InputError, match="found 2 and 1 prompts"):
        judge([["a", "b"]] * 2, [["a", "b"]], name="m")


def said(model: Any, seed: int, temperature: float, prompts: int = 12) -> list[list[str]]:
    generator = torch.Generator().manual_seed(seed)

    def pick(logits: torch.Tensor, _rows: torch.Tensor, _step: int) -> torch.Tensor:
        return torch.multinomial((logits / temperature).softmax(1), 1, generator=generator).squeeze(1)

    asked = [TOKENIZER.encode(f"say {number} the") for number in range(prompts)]
    found = decode(model, V, {TOKENIZER.eos_token_id}, asked, 8, 16, pick)
    texts = [TOKENIZER.decode(answer.tokens) for answer in found]
    return [texts[start : start + 8] for start in range(0, len(texts), 8)]


def rounded(model: Any, bits: int) -> Any:
    """Weights of so many bits, each row by its own largest."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        for weight in found.parameters():
            scale = weight.abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
            weight.copy_((weight / scale.clamp_min(1e-12)).round() * scale)
    return found


@pytest.fixture(scope="module")
def model() -> Any:
    return trained(base(), records(200, 999), replace(PLAN, epochs=5))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
def test_tiny_models_by_what_they_say(model: Any, temperature: float) -> None:
    reference = said(model, 1, temperature)
    same = judge(said(model, 2, temperature), reference, name="m", shuffles=9999)
    assert same.p is not None
    assert same.p > 0.01
    other = trained(model, memorable(60, 3), replace(PLAN, lr=1e-2, epochs=3))
    coarse = rounded(model, 3)
    for served in (said(other, 3, temperature), said(coarse, 4, temperature)):
        assert judge(served, reference, name="m", shuffles=9999).p < 0.01  # type: ignore[operator]


def test_a_fine_quantisation_is_not_seen_and_another_temperature_is(model: Any) -> None:
    reference = said(model, 1, 1.0)
    fine = judge(said(rounded(model, 8), 5, 1.0), reference, name="m", shuffles=9999)
    hot = judge(said(model, 6, 0.3), reference, name="m", shuffles=9999)
    assert fine.p is not None
    assert fine.p > 0.01
    assert hot.p is not None
    assert hot.p < 0.01
