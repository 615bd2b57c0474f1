"""Radioactivity of real models that never saw a mark: under 200 keys their p-values are even."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest

from inbond.digest import of_value
from inbond.forensics.exact import interval
from inbond.forensics.green import GreenKey
from inbond.forensics.radioactivity import Read, Tally, Written, judge, tally_closed, tally_open, windows_of
from inbond.forensics.reading import Reader
from inbond.teachers.protocols import TokenSequence
from tests.forensic_suspects import TOKENIZER, marked_text, plain_text
from tests.tiny import make_model

KEYS = 200
VOCABULARY = of_value("v")


def keys() -> list[GreenKey]:
    draw = random.Random(11)
    size = len(TOKENIZER)
    return [GreenKey(draw.randbytes(32), 2, 0.25, 4.0, VOCABULARY, size) for _ in range(KEYS)]


def cut(texts: list[str]) -> list[list[int]]:
    return [TOKENIZER.encode(text, add_special_tokens=False) for text in texts]


@cache
def reader_of(seed: int) -> Reader:
    model = make_model(len(TOKENIZER), layers=2, seed=seed)
    return Reader("tiny", of_value(seed), VOCABULARY, model, TOKENIZER, 0)


def read(seed: int, texts: list[list[int]]) -> list[Read]:
    """What a model with random weights makes of texts."""
    likeliest = reader_of(seed).likeliest([TokenSequence(tuple(ids), 1) for ids in texts])
    return [Read(ids, 1, tokens.tolist()) for ids, tokens in zip(texts, likeliest, strict=True)]


def check_even(tallies: list[Tally], mark: GreenKey) -> None:
    """The share of p < .05 is within its binomial interval at 99.9%, and p is seldom small. (p of a count is
    discrete: it may be larger than even, never smaller.)"""
    ps = np.array([judge(mark, one, access="open", with_records=False).p for one in tallies])
    assert min(one.pairs for one in tallies) > 300
    below = int((ps < 0.05).sum())
    low, _ = interval(below, len(ps), 0.999)
    assert low <= 0.05, f"{below} of {len(ps)} below .05"
    assert ps.min() > 1e-5
    assert 0.4 < np.mean(ps) < 0.65


def test_a_model_that_read_plain_text_is_even_under_every_key() -> None:
    draw = random.Random(0)
    shown = read(0, cut([plain_text(draw, 50) for _ in range(16)]))
    check_even([tally_open(mark, shown) for mark in keys()], keys()[0])


@pytest.mark.parametrize("known", [False, True])
def test_models_that_are_shown_marked_text_are_even_too(known: bool) -> None:
    """Each key's own marked text is shown to another model that did not learn it."""
    draw, tallies = random.Random(1), []
    models = [seed for seed in range(10) for _ in range(KEYS // 10)]
    for seed, mark in zip(models, keys(), strict=True):
        texts = cut([marked_text(mark, draw, 50) for _ in range(10)])
        tallies.append(tally_open(mark, read(seed, texts), windows_of(mark, texts) if known else None))
    check_even(tallies, keys()[0])


def test_texts_of_nobody_are_even_under_every_key() -> None:
    draw = random.Random(2)
    said = [Written(ids) for ids in cut([plain_text(draw, 50) for _ in range(16)])]
    check_even([tally_closed(mark, said) for mark in keys()], keys()[0])
